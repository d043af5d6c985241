#pragma once

// A test-and-test-and-set lock for sections of a few dozen instructions that never block, allocate
// or switch. It yields the processor after a short spin, so that a preempted holder can go on where
// cores are few.

#include <sched.h>

#include "base/atomic.h"

namespace weft::detail {

class Spinlock {
 public:
  void lock() noexcept {
    while (locked_.exchange(true, std::memory_order_acquire)) wait();
  }
  bool try_lock() noexcept { return !locked_.exchange(true, std::memory_order_acquire); }
  void unlock() noexcept { locked_.store(false, std::memory_order_release); }

 private:
  void wait() const noexcept {
    for (int spins = 0; locked_.load(std::memory_order_relaxed); ++spins) {
      if (spins < kSpinsBeforeYield) {
        cpu_relax();
      } else {
        ::sched_yield();
      }
    }
  }

  static constexpr int kSpinsBeforeYield = 64;

  // Written by whoever takes or leaves the lock; the release of unlock() pairs with the acquire of
  // lock().
  Atomic<bool> locked_{false};
};

}  // namespace weft::detail
