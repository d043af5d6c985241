#pragma once

#include <weft/mutex.h>

#include <functional>
#include <mutex>
#include <utility>

namespace weft {

/// A value that can be reached only with its mutex held: `counts.with([&](Counts& c) { ++c[key];
/// });`. For fibers and threads.
template <class T, class M = Mutex>
class Synchronized {
 public:
  Synchronized() = default;
  explicit Synchronized(T value) : value_(std::move(value)) {}
  Synchronized(const Synchronized&) = delete;
  Synchronized& operator=(const Synchronized&) = delete;

  /// Calls `use(T&)` with the mutex held and returns what it returns: no reference into the value,
  /// which others could change. Suspends the fiber (blocks the thread) while another has it;
  /// cancellable. `use` may suspend, and others wait so long.
  template <class F>
  auto with(F&& use) {
    const std::lock_guard lock(mutex_);
    return std::invoke(std::forward<F>(use), value_);
  }
  template <class F>
  auto with(F&& use) const {
    const std::lock_guard lock(mutex_);
    return std::invoke(std::forward<F>(use), std::as_const(value_));
  }

  /// A scope that holds the mutex, and is the way to the value: `auto locked = counts.lock();
  /// ++locked->at(key);`.
  class Locked {
   public:
    explicit Locked(Synchronized& of) : lock_(of.mutex_), value_(&of.value_) {}
    T& operator*() const noexcept { return *value_; }
    T* operator->() const noexcept { return value_; }
    /// For ConditionVariable.
    std::unique_lock<M>& mutex() noexcept { return lock_; }

   private:
    std::unique_lock<M> lock_;
    T* value_;
  };
  [[nodiscard]] Locked lock() { return Locked(*this); }

  /// A copy, made with the mutex held.
  T copy() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable M mutex_;
  T value_{};
};

}  // namespace weft
