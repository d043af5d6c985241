#pragma once

#include <weft/detail/context.h>
#include <weft/detail/wrong_use.h>
#include <weft/event.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

namespace detail {

/// A call on its way through the blocking pool, shared by the thread that makes it and the fiber
/// that waits.
class ThreadCall {
 public:
  virtual ~ThreadCall() = default;
  virtual void call() = 0;

  const ContextRef context = ContextRef::current();  // of the fiber that waits
  Event done;
  std::exception_ptr error;
};

/// Throws std::logic_error outside a fiber, std::system_error when no thread can be had, Cancelled.
void call_on_thread(std::shared_ptr<ThreadCall> call);

template <class T, class F>
class ThreadCallOf final : public ThreadCall {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

 public:
  template <class G>
  explicit ThreadCallOf(G&& callable) : callable_(std::forward<G>(callable)) {}
  void call() override {
    if constexpr (std::is_void_v<T>) {
      std::invoke(std::move(*callable_));
    } else {
      value_.emplace(std::invoke(std::move(*callable_)));
    }
    callable_.reset();
  }
  Value take() { return std::move(*value_); }

 private:
  std::optional<F> callable_;
  std::optional<Value> value_;
};

}  // namespace detail

/// Calls `callable()` on a thread of the runtime's blocking pool and returns what it returns, or
/// throws what it throws. The call sees the fiber's context variables. The fiber waits; its worker
/// goes on with others. For calls that block or compute for long. Calls queue when
/// Options::blocking_threads are busy. Cancellable: the wait ends with Cancelled, the call goes on
/// by itself with its own copy of the callable, and its result is dropped. Only in a fiber, and
/// only until the runtime's end has closed the pool (std::logic_error). Throws std::system_error
/// when no thread can be had, std::bad_alloc; then nothing was called.
template <class F>
requires std::is_invocable_v<std::decay_t<F>> std::invoke_result_t<std::decay_t<F>> to_thread(
    F&& callable) {
  using T = std::invoke_result_t<std::decay_t<F>>;
  auto call = std::make_shared<detail::ThreadCallOf<T, std::decay_t<F>>>(std::forward<F>(callable));
  detail::call_on_thread(call);
  // Taken out, so that whoever drops the call last, perhaps the thread, does not drop the
  // exception.
  if (call->error) std::rethrow_exception(std::exchange(call->error, nullptr));
  if constexpr (!std::is_void_v<T>) return call->take();
}

template <class F>
void to_thread(F&&) {
  static_assert(detail::kRight<F>, "weft::to_thread: the callable " WEFT_TAKES_NO_ARGUMENTS);
}

}  // namespace weft
