#pragma once

// The untyped core under Promise and Future. Not for users; it may change with any release.

#include <weft/detail/task_core.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

namespace weft::detail {

/// What a promise and its futures share: an outcome that is set once, and who waits for it.
class FutureCore {
 public:
  explicit FutureCore(const SpawnSite& site) noexcept;
  virtual ~FutureCore();
  FutureCore(const FutureCore&) = delete;
  FutureCore& operator=(const FutureCore&) = delete;

  TaskOutcome outcome() const noexcept;
  /// What it ended with, which counts as read; null for a value, or before the end.
  std::exception_ptr error() const noexcept;
  /// Waits for the end. Cancellable.
  void join();
  /// The same, but takes a cancellation of the caller as one of the future; then throws what it
  /// ended with.
  void await();

  // Of all that try to set an outcome one may: who has claimed it, and has to publish it.

  bool claim() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void publish_value() noexcept { publish(TaskOutcome::kValue); }
  void publish_error(std::exception_ptr error) noexcept;

  bool try_set_error(const std::exception_ptr& error);
  bool cancel() noexcept;
  /// By the last promise: nobody will set it any more.
  void abandon() noexcept;

  void retain() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;

 private:
  class End;
  End& end() noexcept;
  const End& end() const noexcept;
  bool wait();
  void publish(TaskOutcome outcome) noexcept;
  void report_if_lost() noexcept;

  std::atomic<std::uint32_t> handles_{1};  // the release of each drop pairs with the last's acquire
  std::atomic<bool> claimed_{false};
  mutable std::atomic<bool> error_read_{false};
  std::exception_ptr error_;  // written by who has claimed it
  const SpawnSite site_;
  alignas(8) std::byte end_[32];  // NOLINT(*-member-init): made by the constructor
};

/// A counted handle.
template <class State>
class FutureRef {
 public:
  FutureRef() = default;
  explicit FutureRef(State* owned) noexcept : state_(owned) {}
  FutureRef(const FutureRef& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->retain();
  }
  FutureRef(FutureRef&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  FutureRef& operator=(FutureRef other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~FutureRef() {
    if (state_ != nullptr) state_->release();
  }

  explicit operator bool() const noexcept { return state_ != nullptr; }
  /// Throws std::future_error if it names none.
  State& checked() const;
  State* get() const noexcept { return state_; }
  bool operator==(const FutureRef&) const noexcept = default;

 private:
  State* state_ = nullptr;
};

[[noreturn]] void no_future_state();
[[noreturn]] void future_already_set();

template <class State>
State& FutureRef<State>::checked() const {
  if (state_ == nullptr) no_future_state();
  return *state_;
}

template <class T>
class FutureState final : public FutureCore {
 public:
  explicit FutureState(const SpawnSite& site) noexcept : FutureCore(site) {}
  ~FutureState() override {
    if (outcome() == TaskOutcome::kValue) std::destroy_at(&value_);
  }

  bool try_set(Stored<T>&& value) {
    if (!claim()) return false;
    try {
      std::construct_at(&value_, std::move(value));
    } catch (...) {
      publish_error(std::current_exception());
      return true;
    }
    publish_value();
    return true;
  }
  Stored<T>& value() noexcept { return value_; }

 private:
  union {
    Stored<T> value_;
  };
};

}  // namespace weft::detail
