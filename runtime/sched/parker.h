#pragma once

// Where one worker sleeps. A token of one bit: unpark() leaves it, park() takes it or sleeps until
// it comes, so an unpark() before the park() is not lost and many count as one.
//
//   Empty --park()--> InFutex or InDriver --unpark()--> Notified --> Empty
//     \--unpark()--> Notified --park()--> Empty, at once
//
// The waker learns from the state it replaced how to reach the sleeper: a futex, or the driver's
// own interrupt.

#include <cstdint>
#include <vector>

#include "base/atomic.h"
#include "base/futex.h"
#include "sched/driver.h"

namespace weft::detail {

class Parker {
 public:
  /// Sleeps on the futex until unpark() or the deadline.
  void park(Nanos deadline) noexcept {
    std::uint32_t expected = kEmpty;
    if (state_.compare_exchange_strong(expected, kInFutex, std::memory_order_seq_cst)) {
      while (state_.load(std::memory_order_acquire) == kInFutex) {
        if (!futex_wait(state_, kInFutex, deadline)) break;
      }
    }
    state_.exchange(kEmpty, std::memory_order_acquire);  // takes the token; pairs with [unpark]
  }

  /// Sleeps in the driver, to which the caller holds the right.
  void park(Driver& driver, unsigned worker, Nanos deadline, std::vector<Ready>& ready) noexcept {
    std::uint32_t expected = kEmpty;
    const bool sleeps =
        state_.compare_exchange_strong(expected, kInDriver, std::memory_order_seq_cst);
    // An unpark() from here on interrupts the driver, which makes even a poll() that is yet to come
    // return.
    driver.poll(worker, sleeps ? deadline : 0, ready);
    state_.exchange(kEmpty, std::memory_order_acquire);  // [unpark]
  }

  void unpark(Driver& driver, unsigned worker) noexcept {
    switch (state_.exchange(kNotified, std::memory_order_seq_cst)) {  // [unpark]
      case kInFutex:
        futex_wake(state_, 1);
        break;
      case kInDriver:
        driver.interrupt(worker);
        break;
      default:
        break;  // awake, or told already
    }
  }

 private:
  static constexpr std::uint32_t kEmpty = 0;
  static constexpr std::uint32_t kNotified = 1;
  static constexpr std::uint32_t kInFutex = 2;
  static constexpr std::uint32_t kInDriver = 3;

  // Taken by the owner, left by anyone.
  Atomic<std::uint32_t> state_{kEmpty};
};

}  // namespace weft::detail
