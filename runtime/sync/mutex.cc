#include <weft/mutex.h>

#include <weft/error.h>
#include "sync/wait_queue.h"
#include "time/clock.h"

// The word: bit 0 locks the list, kHeld says that somebody has the mutex, kWaiters that the list is
// not empty.
//
// Invariants
//  1. Where nobody has the list's lock, a list that is not empty has kWaiters set. So an unlock
//  that
//     finds kHeld alone has nobody to wake.
//  2. A waiter that was taken off the list and woken either was given the mutex (kHeld stayed set
//     for it) or tries to take it before it does anything else, a cancellation included. If it
//     fails, somebody holds the mutex, and that one's unlock finds the list. Hence no wake-up is
//     swallowed by a cancel.

namespace weft {

using detail::Nanos;
using detail::Waiter;
using detail::WaitQueue;
using detail::Wake;

namespace {
// After so long a waiter no longer competes: it is handed the mutex.
constexpr Nanos kPatience = 1'000'000;
}  // namespace

Mutex::~Mutex() {
  WEFT_ASSERT(waiters_.word.load(std::memory_order_acquire) == 0,
              "nobody holds or awaits a mutex that is destroyed");
}

void Mutex::lock_slowly() {
  WaitQueue queue(waiters_);
  Waiter waiter;
  bool woken_before = false;
  for (;;) {
    waiter.token = detail::current_token();
    const std::uint32_t state = queue.lock();
    if ((state & kHeld) == 0) {
      queue.unlock(state | kHeld);
      return;
    }
    if (waiter.since == 0) waiter.since = detail::now();
    // Who was woken in vain keeps its place.
    if (woken_before) {
      queue.push_front(waiter);
    } else {
      queue.push_back(waiter);
    }
    const Wake reason = queue.wait(waiter, state | kWaiters);
    if (reason != Wake::kNormal) {
      forget_waiter_bit();
      throw Cancelled();
    }
    if (waiter.granted) return;
    woken_before = true;
  }
}

void Mutex::forget_waiter_bit() noexcept {
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  queue.unlock(queue.empty() ? state & ~kWaiters : state);
}

void Mutex::unlock_slowly() noexcept {
  WaitQueue queue(waiters_);
  queue.lock();
  while (Waiter* const waiter = queue.pop_front()) {
    waiter->granted = detail::now() - waiter->since >= kPatience;
    const bool granted = waiter->granted;
    const detail::WakeToken token = waiter->token;
    if (const detail::Claimed next = detail::claim(token)) {
      // The mutex may be destroyed once the next holder has run, so it is let go first.
      queue.unlock((queue.empty() ? 0 : kWaiters) | (granted ? kHeld : 0));
      detail::resume(next);
      return;
    }
    // Too late for it: it was cancelled. The next one, then.
  }
  queue.unlock(0);
}

}  // namespace weft
