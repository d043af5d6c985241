#pragma once

// A lock that costs its owner, who takes it all the time, two stores and a load. Others want what
// is behind it now and then: they ask, and the owner gives it to them when it is inside anyway.
// Only where the owner does not come by for long do they go in themselves, by force.
//
//   owner                                one who forces it
//     inside = true                        word = Forced
//     Forced? then it waits outside        barrier on all threads
//     ... Asked? it gives ...              wait until inside is false
//     inside = false                       ... word = Quiet
//
//                ask                give              (who asked takes it)
//     Quiet -----------> Asked -----------> Given -----------> Quiet
//       ^\_________________/ withdraw                  done
//        \-----> Forced -----> Quiet
//          force         done
//
// Invariants
//  1. Either the barrier finds `inside` written, and who forces it waits for the owner to leave; or
//     the owner reads the word after the barrier, finds Forced and leaves at once. So they are
//     never inside together. (Dekker, with both barriers on the rare side.)
//  2. Who has changed the word from Quiet is the only one that may change it back; but for the
//     owner, which may answer who asks.
//  3. Before there is such a barrier, the owner has one of its own each time. It says that it does
//     without, seq_cst, and reads the word after that: who finds that it had not said so yet needs
//     no barrier, for the owner will find Forced.
//
// Nothing is called inside, and nobody waits there.

#include <atomic>
#include <cstdint>

#include "base/atomic.h"
#include "base/membarrier.h"
#include "base/spinlock.h"

namespace weft::detail {

class OwnerLock {
 public:
  // -- By the owner.

  /// How much somebody asks for, or nothing.
  [[gnu::always_inline]] std::uint32_t enter() noexcept {
    go_inside();
    return word_.load(std::memory_order_seq_cst) == kQuiet ? 0 : enter_slowly();  // [owner]
  }
  /// The same if nobody wants anything of it; false: it is outside.
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
  /// Inside: what has been laid out is for who asks for that much. False: nobody does any more.
  bool give(std::uint32_t amount) noexcept {
    std::uint32_t asked = kGiven + amount;
    return word_.compare_exchange_strong(asked, kGiven, std::memory_order_release,
                                         std::memory_order_relaxed);  // [given]
  }
  /// Outside: whether the barrier on all threads is to be had, and quick.
  void have_barrier(bool quick) noexcept {
    if (quick != quick_.load(std::memory_order_relaxed))
      quick_.store(quick, std::memory_order_seq_cst);  // [owner]
  }

  // -- By others.

  /// False: somebody else is at it. The amount is more than zero.
  bool ask(std::uint32_t amount) noexcept { return change_from_quiet(kGiven + amount); }
  bool is_given() const noexcept {
    return word_.load(std::memory_order_acquire) == kGiven;  // [given]
  }
  /// Of who has asked for that much. False: it has been given meanwhile.
  bool withdraw(std::uint32_t amount) noexcept {
    std::uint32_t asked = kGiven + amount;
    return word_.compare_exchange_strong(asked, kQuiet, std::memory_order_release,
                                         std::memory_order_acquire);  // [given]
  }
  /// Inside afterwards; false: somebody else is at it. Costs both some microseconds.
  bool force() noexcept {
    if (!change_from_quiet(kForced)) return false;
    if (quick_.load(std::memory_order_seq_cst)) barrier_on_all_threads();          // [owner]
    for (SpinWait owner; inside_.load(std::memory_order_seq_cst);) owner.pause();  // [owner]
    return true;
  }
  /// Of who has been given something, and has taken it, or who is inside.
  void done() noexcept { word_.store(kQuiet, std::memory_order_release); }  // [owner]

 private:
  static constexpr std::uint32_t kQuiet = 0;
  static constexpr std::uint32_t kForced = 1;
  static constexpr std::uint32_t kGiven = 2;  // what is above is asked for

  bool change_from_quiet(std::uint32_t next) noexcept {
    std::uint32_t quiet = kQuiet;
    return word_.load(std::memory_order_relaxed) == quiet &&
           word_.compare_exchange_strong(quiet, next, std::memory_order_seq_cst,
                                         std::memory_order_relaxed);  // [owner]
  }
  [[gnu::always_inline]] void go_inside() noexcept {
    if (quick_.load(std::memory_order_relaxed)) [[likely]] {
      inside_.store(true, std::memory_order_relaxed);
      std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's part
    } else {
      inside_.store(true, std::memory_order_seq_cst);  // [owner]
    }
  }
  [[gnu::noinline]] std::uint32_t enter_slowly() noexcept {
    for (;;) {
      const std::uint32_t word = word_.load(std::memory_order_seq_cst);  // [owner]
      if (word != kForced) return word > kGiven ? word - kGiven : 0;
      leave();
      for (SpinWait other; word_.load(std::memory_order_acquire) == kForced;) other.pause();
      go_inside();
    }
  }

  // Written by the owner.
  Atomic<bool> inside_{false};
  Atomic<bool> quick_{false};
  // Written by others, and by the owner that answers.
  alignas(64) Atomic<std::uint32_t> word_{kQuiet};
};

}  // namespace weft::detail
