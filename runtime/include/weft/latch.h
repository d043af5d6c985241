#pragma once

#include <weft/event.h>

#include <atomic>
#include <cstddef>

namespace weft {

/// A count that goes down to zero, once, and lets everybody through; std::latch. For fibers and
/// threads. It may be destroyed as soon as every wait() has returned.
class Latch {
 public:
  explicit Latch(std::size_t count);
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;

  /// What was done before is seen by who is let through. Throws std::logic_error below zero. Never
  /// suspends.
  void count_down(std::size_t by = 1);
  /// Never suspends.
  bool try_wait() const noexcept { return zero_.is_set(); }
  /// Suspends the fiber (blocks the thread) until the count is zero. Cancellable: throws Cancelled.
  void wait() { zero_.wait(); }
  /// Both; a wait that is cancelled has counted all the same.
  void arrive_and_wait(std::size_t by = 1) {
    count_down(by);
    wait();
  }

 private:
  std::atomic<std::size_t> count_;
  Event zero_;
};

}  // namespace weft
