#pragma once

// The one way to wait. A primitive that blocks does, in this order:
//
//   1. takes its own spinlock and finds that it must wait;
//   2. notes current_token() where its waker will look;
//   3. calls suspend() with an `arm` function that releases the lock.
//
// `arm` runs after the caller's context is saved and its word says so, on whatever stack runs next,
// and does nothing but let go. Until then a timer or a cancellation may already have ended the
// wait, on another core: such a caller takes the lock before anything else, to remove its note, and
// so waits for `arm`. Whoever ends the wait calls wake() with the token: of all that try, one
// succeeds.

#include <cstdint>

#include "base/time.h"
#include "fiber/fiber.h"
#include "fiber/wait_word.h"

namespace weft::detail {

/// One wait of one fiber or thread. Copy it freely: it goes stale, never dangling.
struct WakeToken {
  Fiber* fiber = nullptr;
  Epoch epoch = 0;
};

/// Whether it is a plain thread that waits so. A fiber cannot run between claim() and resume(); a
/// thread goes on as soon as it has been claimed.
inline bool is_thread(const WakeToken& waiter) noexcept {
  return waiter.fiber->scheduler.load(std::memory_order_relaxed) == nullptr;
}

/// The fiber that runs here, or the stand-in of the plain thread that runs here. A thread's first
/// call may throw std::bad_alloc, and is therefore made before anything is locked.
Fiber& current_waiter();

/// The fiber that runs here, null on a thread that is no worker.
Fiber* current_fiber() noexcept;

/// Names the next wait of the caller, and says what it is for. May throw like current_waiter().
inline WakeToken current_token(WaitsFor what = WaitsFor::kUnsaid) {
  Fiber& self = current_waiter();
  self.waits_for.store(what, std::memory_order_release);  // [awaited]
  return {&self, self.word.epoch()};
}

/// By a wait that was cancelled once more before it has thrown: its one exception tells of both,
/// and counts once (see Fiber::cancellations).
inline void merge_cancellation(Fiber& self) noexcept { --self.cancellations; }

/// Lets go of what the waiter holds, once it is asleep. Copies what it needs before it lets go.
using Arm = void (*)(void* argument) noexcept;

/// The wait of a fiber for the end of another that it runs at once: see Worker::run_at_once().
/// Lives in the waiter's frame.
struct HeldWait {
  struct Kind {
    /// Tells the other whom to wake, and keeps what `arm` lets go of. False: it has ended.
    bool (*begin)(HeldWait&) noexcept;
    Arm arm;
  };
  const Kind& kind;
  void* const argument;  // of `arm`
  Cancellable cancellable = Cancellable::kYes;
};

/// Waits until wake() is called with the current token. A cancellation that is pending already ends
/// the wait with kCancelled, after `arm` has run. Not cancellable while an exception unwinds the
/// caller's stack.
Wake suspend(Arm arm, void* argument, Cancellable cancellable = Cancellable::kYes);

/// The same with a deadline (CLOCK_MONOTONIC), which ends the wait with kTimeout. Throws
/// std::bad_alloc before it has done anything: `arm` has not run, and the caller holds what it
/// held.
Wake suspend_until(Nanos deadline, Arm arm, void* argument,
                   Cancellable cancellable = Cancellable::kYes);

/// Ends a wait. True for the one caller that did. From any thread, never blocks.
bool wake(WakeToken token, Wake reason = Wake::kNormal) noexcept;
/// By a driver that has no memory to tell it to its worker, which may be counted asleep.
void wake_from_driver(WakeToken token, Wake reason) noexcept;

/// The same for who waited for the end of the fiber that calls. If it has spawned more of them,
/// those go first: it would only wait for the next.
void wake_joiner(WakeToken token) noexcept;

/// A wait that has been ended, and a waiter that is still to be made runnable.
struct Claimed {
  Fiber* fiber = nullptr;
  Scheduler* scheduler = nullptr;  // null: a plain thread, which may have gone on by itself
  explicit operator bool() const noexcept { return fiber != nullptr; }
};

/// The two halves of wake(), for a waker that holds a lock: claim() under it, resume() after it.
/// Between the two a fiber cannot run.
inline Claimed claim(WakeToken token, Wake reason = Wake::kNormal) noexcept {
  // Read first: a thread goes on as soon as its word allows it, and may be gone, and its descriptor
  // serve a fiber, before it is resumed.
  Scheduler* const scheduler = token.fiber->scheduler.load(std::memory_order_relaxed);
  if (!token.fiber->word.wake(token.epoch, reason)) return {};
  return {token.fiber, scheduler};
}
/// By value, so that it stays in registers: where it is stored in halves and loaded whole, the load
/// waits for both stores.
void resume(Claimed waiter) noexcept;

/// Asks `fiber`, which is at `epoch`, to stop. False when it has moved on since the epoch was read.
bool cancel(Fiber& fiber, Epoch epoch, WaitWord::Noted* noted = nullptr) noexcept;

/// Whether a fiber that is held up elsewhere can move on while the caller spins: not where the
/// caller's worker is the only one.
bool others_may_run() noexcept;

/// Lets others run. True when a cancellation was delivered instead of (or after) the turn.
bool yield_now();

/// Takes a pending cancellation of the running fiber that may be thrown here. False in a plain
/// thread and while an exception unwinds.
bool take_cancellation() noexcept;

/// Has a cancellation that has just ended a wait of the caller end its next wait instead: what was
/// waited for has happened.
void put_cancellation_back() noexcept;

/// Charges one operation that did not have to wait to the running fiber's turn, and lets others run
/// when the turn's budget is spent. True when a cancellation was delivered.
bool spend_budget();

}  // namespace weft::detail
