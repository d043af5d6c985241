#pragma once

#include <weft/detail/future_core.h>
#include <weft/error.h>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

/// A handle to a value that somebody will set through a Promise: asyncio's Future, to wait for.
/// Copies name the same one. May be used by any thread, and outlive the runtime. An exception that
/// nobody has read when the last handle goes is reported (Options::on_lost_exception).
template <class T>
class Future {
 public:
  /// Names none: its calls, but for valid(), throw std::future_error.
  Future() = default;

  bool valid() const noexcept { return static_cast<bool>(state_); }

  /// Waits for the value and returns it, or throws the exception that was set; Cancelled, if it was
  /// cancelled. Like asyncio's `await future`: if the caller is cancelled while it waits, the
  /// future is cancelled, and Cancelled thrown. Suspends the fiber, blocks the thread; returns at
  /// once if it is set. The reference is good as long as a handle is held.
  std::add_lvalue_reference_t<T> get() & {
    state_.checked().await();
    if constexpr (!std::is_void_v<T>) return state_.get()->value();
  }
  /// The same from a temporary, which gives the value away.
  T get() && {
    state_.checked().await();
    if constexpr (!std::is_void_v<T>) return std::move(state_.get()->value());
  }

  /// Waits until it is set, however. Cancellable: throws Cancelled, and the future is as before.
  void join() const { state_.checked().join(); }

  bool done() const { return state_.checked().outcome() != detail::TaskOutcome::kPending; }
  bool cancelled() const { return state_.checked().outcome() == detail::TaskOutcome::kCancelled; }
  /// What it was set to, if that is an exception; null if it is not, or not yet. Counts as reading
  /// it.
  std::exception_ptr exception() const { return state_.checked().error(); }

  /// Sets it to Cancelled, for all who wait; who was to set it finds that out. False if it has been
  /// set. Never suspends.
  bool cancel() const { return state_.checked().cancel(); }

  bool operator==(const Future&) const noexcept = default;

  /// For Promise.
  explicit Future(detail::FutureRef<detail::FutureState<T>> state) noexcept
      : state_(std::move(state)) {}

 private:
  detail::FutureRef<detail::FutureState<T>> state_;
};

/// The end by which a Future is set, once, from a fiber or any thread. If it is dropped before, the
/// future gets std::future_error (broken_promise). One thread at a time may use it, and others its
/// futures. Nothing here suspends.
template <class T>
class Promise {
  static_assert(!std::is_reference_v<T>, "weft::Promise: a promise is of a value, or of void");
  using State = detail::FutureState<T>;

 public:
  explicit Promise(SpawnSite site = SpawnSite::current()) : state_(new State(site)) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    Promise old(std::move(*this));
    state_ = std::move(other.state_);
    return *this;
  }
  ~Promise() {
    if (state_) state_.get()->abandon();
  }

  /// May be called more than once. Throws std::future_error if this promise has been moved from, as
  /// do all calls.
  Future<T> future() const {
    state_.checked();
    return Future<T>(state_);
  }

  /// Throws std::future_error (promise_already_satisfied) if it has been set, or cancelled.
  void set_value(detail::Stored<T> value) {
    if (!try_set_value(std::move(value))) detail::future_already_set();
  }
  void set_value() requires std::is_void_v<T> { set_value(std::monostate()); }
  /// The same for whoever may come too late: false if it has been set, or cancelled.
  bool try_set_value(detail::Stored<T> value) { return state_.checked().try_set(std::move(value)); }
  bool try_set_value() requires std::is_void_v<T> { return try_set_value(std::monostate()); }

  /// Throws also std::invalid_argument for a null pointer.
  void set_exception(const std::exception_ptr& error) {
    if (!try_set_exception(error)) detail::future_already_set();
  }
  bool try_set_exception(const std::exception_ptr& error) {
    return state_.checked().try_set_error(error);
  }

  bool done() const { return state_.checked().outcome() != detail::TaskOutcome::kPending; }
  /// True when nobody wants the value any more.
  bool cancelled() const { return state_.checked().outcome() == detail::TaskOutcome::kCancelled; }
  bool cancel() { return state_.checked().cancel(); }

 private:
  detail::FutureRef<State> state_;
};

}  // namespace weft
