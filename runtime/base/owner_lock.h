#pragma once

// A lock that costs its owner, who takes it all the time, two stores and a load. Others want what
// is behind it now and then: they ask, and the owner gives it to them when it comes by. Only where
// it does not for long do they go in themselves, by force.
//
//   owner                                one who goes in by force
//     inside = true                        word = Asked
//     Asked? then it gives first           barrier on all threads
//     Seized? then it waits outside        word = Seized, unless it has been given meanwhile
//     ...                                  wait until inside is false
//     inside = false                       ... word = Quiet
//
//               ask                give               done
//     Quiet ----------> Asked ------------> Given ------------> Quiet
//       ^\_______________/ |                                      ^
//          withdraw        | seize, after a barrier     done      |
//                          \--------------------------> Seized ---/
//
// Invariants
//  1. Either the barrier finds `inside` written, and who has seized waits for the owner to leave.
//     Or the owner reads the word after the barrier, and finds that it is asked: then it goes on
//     only once it has given, by a swap that who seizes loses; or it finds Seized, and leaves. So
//     they are never inside together. (Dekker, with both barriers on the rare side.)
//  2. Who has changed the word from Quiet is the only one that may change it back; but for the
//     owner, which answers who asks.
//  3. Before there is such a barrier, the owner has one of its own each time. It says that it does
//     without, seq_cst, and reads the word after that: who finds that it had not said so yet needs
//     no barrier, for the owner will find what is asked.
//
// The barrier takes microseconds, and milliseconds where a processor of a virtual machine does not
// run: so an owner that comes by meanwhile does not wait for it. Inside, nothing is called and
// nobody waits.

#include <atomic>
#include <cstdint>

#include "base/atomic.h"
#include "base/membarrier.h"
#include "base/spinlock.h"

namespace weft::detail {

class OwnerLock {
 public:
  // -- By the owner.

  /// Inside, unless somebody asks: then it returns how much, and is not before that was given.
  [[gnu::always_inline]] std::uint32_t enter() noexcept {
    go_inside();
    return word_.load(std::memory_order_seq_cst) == kQuiet ? 0 : enter_again();  // [owner]
  }
  /// The same after give(), if that was in vain.
  [[gnu::noinline]] std::uint32_t enter_again() noexcept {
    for (;;) {
      const std::uint32_t word = word_.load(std::memory_order_seq_cst);  // [owner]
      if (word != kSeized) return word > kGiven ? word - kGiven : 0;
      leave();
      for (SpinWait other; word_.load(std::memory_order_acquire) == kSeized;) other.pause();
      go_inside();
    }
  }
  /// Inside if nobody wants anything of it; false: outside.
  [[gnu::always_inline]] bool enter_if_quiet() noexcept {
    go_inside();
    if (word_.load(std::memory_order_seq_cst) == kQuiet) [[likely]]  // [owner]
      return true;
    leave();
    return false;
  }
  [[gnu::always_inline]] void leave() noexcept {
    inside_.store(false, std::memory_order_release);  // [owner]
  }
  /// What has been laid out is for who asks for that much. True: inside. False: nobody does any
  /// more, and it has to enter again.
  bool give(std::uint32_t amount) noexcept {
    std::uint32_t asked = kGiven + amount;
    return word_.compare_exchange_strong(asked, kGiven, std::memory_order_seq_cst,
                                         std::memory_order_relaxed);  // [given]
  }
  /// Outside: whether the barrier on all threads is to be had, and quick.
  void have_barrier(bool quick) noexcept {
    if (quick != quick_.load(std::memory_order_relaxed))
      quick_.store(quick, std::memory_order_seq_cst);  // [owner]
  }

  // -- By others. The amount is more than zero.

  /// False: somebody else is at it.
  bool ask(std::uint32_t amount) noexcept {
    std::uint32_t quiet = kQuiet;
    return word_.load(std::memory_order_relaxed) == quiet &&
           word_.compare_exchange_strong(quiet, kGiven + amount, std::memory_order_seq_cst,
                                         std::memory_order_relaxed);  // [owner]
  }
  bool is_given() const noexcept {
    return word_.load(std::memory_order_acquire) == kGiven;  // [given]
  }
  /// Of who has asked. False: it has been given.
  bool withdraw(std::uint32_t amount) noexcept {
    std::uint32_t asked = kGiven + amount;
    return word_.compare_exchange_strong(asked, kQuiet, std::memory_order_release,
                                         std::memory_order_acquire);  // [given]
  }
  /// Likewise. True: inside. Costs both some microseconds.
  bool seize(std::uint32_t amount) noexcept {
    if (quick_.load(std::memory_order_seq_cst)) barrier_on_all_threads();  // [owner]
    std::uint32_t asked = kGiven + amount;
    if (!word_.compare_exchange_strong(asked, kSeized, std::memory_order_seq_cst,
                                       std::memory_order_acquire)) {  // [owner], [given]
      return false;
    }
    for (SpinWait owner; inside_.load(std::memory_order_seq_cst);) owner.pause();  // [owner]
    return true;
  }
  /// Of who has been given something, and has taken it, or who is inside.
  void done() noexcept { word_.store(kQuiet, std::memory_order_release); }  // [owner]

 private:
  static constexpr std::uint32_t kQuiet = 0;
  static constexpr std::uint32_t kSeized = 1;
  static constexpr std::uint32_t kGiven = 2;  // what is above is asked for

  [[gnu::always_inline]] void go_inside() noexcept {
    if (quick_.load(std::memory_order_relaxed)) [[likely]] {
      inside_.store(true, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's part
    } else {
      inside_.store(true, std::memory_order_seq_cst);  // [owner]
    }
  }

  // Written by the owner.
  Atomic<bool> inside_{false};
  Atomic<bool> quick_{false};
  // Written by others, and by the owner that answers.
  alignas(64) Atomic<std::uint32_t> word_{kQuiet};
};

}  // namespace weft::detail
