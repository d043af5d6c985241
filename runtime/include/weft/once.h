#pragma once

#include <weft/fair_mutex.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

/// What call_once() needs to know.
class OnceFlag {
 public:
  OnceFlag() = default;
  OnceFlag(const OnceFlag&) = delete;
  OnceFlag& operator=(const OnceFlag&) = delete;

 private:
  template <class F, class... A>
  friend void call_once(OnceFlag& flag, F&& callable, A&&... arguments);

  std::atomic<bool> done_{false};  // set with release when the call has returned
  FairMutex calling_;
};

/// Calls the callable unless a call with the same flag has returned before; std::call_once for
/// fibers and threads. Whoever comes while it is under way waits for it: suspends the fiber, blocks
/// the thread. If it throws, the exception reaches its caller, and the next in line calls. The call
/// may suspend. Cancellable.
template <class F, class... A>
void call_once(OnceFlag& flag, F&& callable, A&&... arguments) {
  if (flag.done_.load(std::memory_order_acquire)) return;  // [once]
  const std::lock_guard lock(flag.calling_);
  if (flag.done_.load(std::memory_order_relaxed)) return;
  std::invoke(std::forward<F>(callable), std::forward<A>(arguments)...);
  flag.done_.store(true, std::memory_order_release);
}

/// A value that is made when it is first asked for, once, by whoever is first: `const
/// weft::Once<Config> config([] { return read_config(); }); config->name`. As call_once()
/// otherwise.
template <class T>
class Once {
 public:
  template <class F>
  requires std::is_invocable_r_v<T, F&>
  explicit Once(F make) : make_(std::move(make)) {}

  T& get() const {
    call_once(flag_, [this] { value_.emplace(make_()); });
    return *value_;
  }
  T& operator*() const { return get(); }
  T* operator->() const { return &get(); }

 private:
  mutable OnceFlag flag_;
  mutable std::function<T()> make_;
  mutable std::optional<T> value_;
};

}  // namespace weft
