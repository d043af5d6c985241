#pragma once

// A test-and-test-and-set lock for sections of a few dozen instructions that never block, allocate
// or switch.

#include <sched.h>

#include "base/atomic.h"

namespace weft::detail {

/// The pauses of whoever waits for such a section to end. It yields the processor after a short
/// spin, so that a preempted holder can go on where cores are few.
class SpinWait {
 public:
  void pause() noexcept {
    if (++spins_ <= kSpinsBeforeYield) {
      cpu_relax();
    } else {
      ::sched_yield();
    }
  }

 private:
  static constexpr int kSpinsBeforeYield = 64;
  int spins_ = 0;
};

class Spinlock {
 public:
  void lock() noexcept {
    while (locked_.exchange(true, std::memory_order_acquire)) wait();
  }
  bool try_lock() noexcept { return !locked_.exchange(true, std::memory_order_acquire); }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  // Out of line, so that a free lock costs its callers no saved registers.
  [[gnu::noinline]] void wait() const noexcept {
    for (SpinWait spin; locked_.load(std::memory_order_relaxed);) spin.pause();
  }

  // Written by whoever takes or leaves the lock; the release of unlock() pairs with the acquire of
  // lock().
  Atomic<bool> locked_{false};
};

}  // namespace weft::detail
