#pragma once

// The word on which wake, timeout, cancel and close race. Each fiber has one; so has each plain
// thread that waits as if it were a fiber.
//
//     63            24 23         8   7   6      3   2      1     0
//    +----------------+------------+-----+--------+-------+---------+
//    |     epoch      |  requests  |again| reason |pending|  state  |
//    +----------------+------------+-----+--------+-------+---------+
//
//  epoch     counts the ends of waits. Whoever may end a wait holds the epoch at which it began; an
//            older one is stale, and harmless even after the descriptor serves another fiber.
//  requests  cancellations asked for, not taken back (asyncio's `cancelling()`); at most 65,535.
//  reason    why the last wait ended.
//  pending   a cancellation has been asked for and not been delivered.
//  again     so has one that was delivered, and that something else hid; with `pending`.
//
//            publish()                         wake(epoch, reason)
//   Running ------------> Waiting / Masked -----------------------> Running, epoch + 1, reason
//      |                     |  cancel() while Waiting                 ^
//      |                     +-----------------------------------------+  reason = cancelled
//      |  publish() with `pending` set, not masked                     |
//      +---------------------------------------------------------------+  reason = cancelled
//
// Invariants
//  1. Only the owner leaves Running, by publish(), and only after its context is saved: whoever
//     sees Waiting may resume it.
//  2. Exactly one party ends a wait: the one whose compare-and-swap takes the word from Waiting to
//     Running. It alone makes the owner runnable.
//  3. A cancellation is either delivered by the swap that ends the wait or stays `pending`; a
//     publish() that finds it pending does not wait. Hence none can fall between the check and the
//     sleep.
//
// If publish() came before the context was saved, a waker on another core would resume a stale
// stack. If the arming of the wake-up (unlocking a list, say) came before publish(), the waker
// would find Running and give up.

#include <weft/detail/solo.h>
#include <cstdint>
#include <optional>

#include "base/assert.h"

namespace weft::detail {

/// Why a wait ended.
enum class Wake : std::uint8_t {
  kNormal,     ///< What was waited for has happened.
  kTimeout,    ///< A timer of this wait has fired.
  kCancelled,  ///< The fiber has been asked to stop.
  kClosed,     ///< What was waited on is gone.
};

enum class Cancellable : bool { kNo, kYes };

using Epoch = std::uint64_t;

class WaitWord {
 public:
  // -- By the owner, while it runs.

  Epoch epoch() const noexcept { return load_relaxed() >> kEpochShift; }
  Wake reason() const noexcept {
    return static_cast<Wake>((load_relaxed() >> kReasonShift) & kReasonMask);
  }
  bool cancel_pending() const noexcept { return (load_relaxed() & kPending) != 0; }

  /// Takes a pending cancellation, to throw it. False when there is none.
  bool take_pending() noexcept { return cancel_pending() && take_noted(); }

  /// Has a cancellation that was taken delivered after all, unless its request is taken back.
  void put_pending_back() noexcept { put_back(kPending); }

  /// The same, and whoever takes back a request of its own does not drop the delivery with it.
  void have_told_again() noexcept { put_back(kDelivery); }

  /// The start of a wait, called once the owner's context is saved. False: a cancellation was
  /// pending, the wait is over before it began (reason cancelled), and the caller makes the owner
  /// runnable.
  bool publish(Cancellable cancellable) noexcept {
    // Release: [wait-publish].
    const std::uint64_t word = load_relaxed();
    const std::uint64_t next = word | (cancellable == Cancellable::kYes ? kWaiting : kMasked);
    if ((word & (kStateMask | kPending)) == 0 &&
        word_.try_once(word, next, std::memory_order_acq_rel)) [[likely]] {
      return true;
    }
    return publish_again(cancellable);
  }

  /// For the next use of the descriptor: all but the epoch starts afresh, and older epochs become
  /// stale. A store, for nobody else changes the word of a descriptor that is free: who has a
  /// handle keeps it from being free, who comes late to wake finds it running, and who cancels
  /// without a handle has seen it in use; a solo thread's own fibers are not freed meanwhile, and
  /// others' are none that it has to itself.
  void reset() noexcept {
    const Epoch next = epoch() + 1;
    word_.store(next << kEpochShift, std::memory_order_release);
  }

  // -- By anyone, at any time.

  /// Ends the wait that began at `epoch`. True for the one caller that did; it makes the owner
  /// runnable.
  bool wake(Epoch epoch, Wake reason) noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    if (!is_waiting_at(word, epoch)) return false;
    // Acquire: pairs with [wait-publish].
    if (word_.try_once(word, ended(word, reason), std::memory_order_acq_rel)) [[likely]]
      return true;
    return wake_again(epoch, reason);
  }

  enum class Cancel : std::uint8_t {
    kStale,    ///< The word has moved on from the given epoch; nothing was done.
    kPending,  ///< Noted; to be delivered at the next wait.
    kWoken,    ///< The wait has ended; the caller makes the owner runnable.
  };

  /// How a request was noted.
  struct Noted {
    unsigned requests;   // with this one
    bool alone_pending;  // nothing was to be delivered before, and now this is
  };

  /// Adds a request to cancel whoever is at `epoch`.
  Cancel cancel(Epoch epoch, Noted* noted = nullptr) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if ((word >> kEpochShift) != (epoch & kEpochMask)) return Cancel::kStale;
      const bool wakes = (word & kStateMask) == kWaiting;
      const std::uint64_t counted =
          (word & kRequestMask) == kRequestMask ? word : word + kOneRequest;
      const std::uint64_t next = wakes ? ended(counted, Wake::kCancelled) : (counted | kPending);
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        if (noted != nullptr) *noted = {requests_of(next), !wakes && (word & kPending) == 0};
        return wakes ? Cancel::kWoken : Cancel::kPending;
      }
    }
  }

  /// Takes one request back; at none a pending delivery is dropped. Returns how many are left.
  unsigned uncancel() noexcept {
    return uncancel_and_drop_if([](unsigned) { return false; });
  }
  /// The same, and a pending delivery is dropped, too, if `drop(left)` and none is to be told
  /// again: in one step, so that one who asks meanwhile is either counted or delivered.
  template <class Drop>
  unsigned uncancel_and_drop_if(Drop drop) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if ((word & kRequestMask) == 0) return 0;
      std::uint64_t next = word - kOneRequest;
      const bool again = (word & kAgain) != 0;
      if ((next & kRequestMask) == 0 || (!again && drop(requests_of(next)))) next &= ~kDelivery;
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return requests_of(next);
      }
    }
  }

  unsigned requests() const noexcept { return requests_of(word_.load(std::memory_order_acquire)); }
  Epoch current_epoch() const noexcept {
    return word_.load(std::memory_order_acquire) >> kEpochShift;
  }
  bool waiting() const noexcept {
    return (word_.load(std::memory_order_acquire) & kStateMask) != kRunning;
  }

  // -- For a plain thread, which sleeps on the half that holds the state.

  const void* futex_word() const noexcept {
    static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low half comes first");
    return &word_;
  }
  /// What the half says while the wait lasts; nothing once it is over.
  std::optional<std::uint32_t> waiting_half() const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    if ((word & kStateMask) == kRunning) return std::nullopt;
    return static_cast<std::uint32_t>(word);
  }

 private:
  static constexpr std::uint64_t kRunning = 0;
  static constexpr std::uint64_t kWaiting = 1;  // may be cancelled
  static constexpr std::uint64_t kMasked = 2;   // a cancellation stays pending
  static constexpr std::uint64_t kStateMask = 3;
  static constexpr std::uint64_t kPending = 4;
  static constexpr unsigned kReasonShift = 3;
  static constexpr std::uint64_t kReasonMask = 15;
  static constexpr std::uint64_t kAgain = 128;
  static constexpr std::uint64_t kDelivery = kPending | kAgain;
  static constexpr unsigned kRequestShift = 8;
  static constexpr std::uint64_t kOneRequest = std::uint64_t{1} << kRequestShift;
  static constexpr std::uint64_t kRequestMask = std::uint64_t{0xffff} << kRequestShift;
  static constexpr unsigned kEpochShift = 24;
  static constexpr std::uint64_t kEpochMask = (std::uint64_t{1} << (64 - kEpochShift)) - 1;

  void put_back(std::uint64_t delivery) noexcept {
    std::uint64_t word = load_relaxed();
    while ((word & kRequestMask) != 0 &&
           !word_.compare_exchange_weak(word, word | delivery, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    }
  }

  // Of take_pending(), out of line: there is none, mostly.
  [[gnu::noinline]] bool take_noted() noexcept {
    std::uint64_t word = load_relaxed();
    while ((word & kPending) != 0) {
      if (word_.compare_exchange_weak(word, word & ~kDelivery, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  // Of publish() and wake(), out of line: mostly the first attempt does it.
  [[gnu::noinline]] bool publish_again(Cancellable cancellable) noexcept {
    const std::uint64_t state = cancellable == Cancellable::kYes ? kWaiting : kMasked;
    std::uint64_t word = load_relaxed();
    for (;;) {
      WEFT_ASSERT((word & kStateMask) == kRunning,
                  "only the owner starts a wait, and it waits once");
      const bool cancelled = state == kWaiting && (word & kPending) != 0;
      const std::uint64_t next =
          cancelled ? ended(word & ~kDelivery, Wake::kCancelled) : (word | state);
      // Release: whoever resumes the owner must see its saved context. [wait-publish]
      if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return !cancelled;
      }
    }
  }
  [[gnu::noinline]] bool wake_again(Epoch epoch, Wake reason) noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (!is_waiting_at(word, epoch)) return false;
      // Acquire: pairs with [wait-publish].
      if (word_.compare_exchange_weak(word, ended(word, reason), std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return true;
      }
    }
  }

  static bool is_waiting_at(std::uint64_t word, Epoch epoch) noexcept {
    return (word >> kEpochShift) == (epoch & kEpochMask) && (word & kStateMask) != kRunning;
  }
  std::uint64_t load_relaxed() const noexcept { return word_.load(std::memory_order_relaxed); }
  static unsigned requests_of(std::uint64_t word) noexcept {
    return static_cast<unsigned>((word & kRequestMask) >> kRequestShift);
  }
  static std::uint64_t ended(std::uint64_t word, Wake reason) noexcept {
    word &= ~(kStateMask | (kReasonMask << kReasonShift));
    word |= static_cast<std::uint64_t>(reason) << kReasonShift;
    return word + (std::uint64_t{1} << kEpochShift);
  }

  SharedWord<std::uint64_t> word_{0};
};

}  // namespace weft::detail
