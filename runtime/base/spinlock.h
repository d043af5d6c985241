#pragma once

// A test-and-test-and-set lock for sections of a few dozen instructions that never block, allocate
// or switch.

#include <sched.h>
#include <weft/detail/solo.h>

#include <cstdint>

#include "base/atomic.h"

namespace weft::detail {

/// The pauses of whoever waits for such a section to end, each twice as long as the one before: who
/// comes back at once takes the cache line from the other again and again, and both get slower.
/// After that it yields the processor, so that a preempted holder can go on where cores are few.
class SpinWait {
 public:
  void pause() noexcept {
    cpu_relax(spins_);
    if (spins_ < kMostSpins) {
      spins_ *= 2;
    } else {
      ::sched_yield();
    }
  }

 private:
  static constexpr int kMostSpins = 64;
  int spins_ = 1;
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

/// The same for what only workers lock: without a locked operation where one is the solo thread.
class FiberSpinlock {
 public:
  void lock() noexcept {
    if (!try_lock()) wait_and_lock();
  }
  /// May fail for nothing. Calls nobody: see SharedWord::try_once().
  bool try_lock() noexcept { return taken_.try_once(0, 1, std::memory_order_acquire); }
  void unlock() noexcept { taken_.store(0, std::memory_order_release); }

 private:
  // Begins with another attempt: the first has failed as well where a solo thread is to be one of
  // many.
  [[gnu::noinline]] void wait_and_lock() noexcept {
    for (SpinWait spin; !try_hard();) {
      do {
        spin.pause();
      } while (taken_.load(std::memory_order_relaxed) != 0);
    }
  }
  bool try_hard() noexcept {
    std::uint8_t taken = 0;
    return taken_.compare_exchange_strong(taken, 1, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }

  SharedWord<std::uint8_t> taken_{0};  // 1: taken
};

}  // namespace weft::detail
