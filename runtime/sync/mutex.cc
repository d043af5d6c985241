#include <weft/mutex.h>

#include <weft/error.h>
#include "sched/mask_scope.h"
#include "sync/wait_queue.h"
#include "time/clock.h"

// The word: bit 0 locks the list, kHeld says that somebody has the mutex, kWaiters that the list is
// not empty, kWoken that a waiter was taken off the list to try its luck and has yet to do so.
//
// Invariants
//  1. Where nobody has the list's lock, a list that is not empty has kWaiters set. So an unlock
//  that
//     finds kHeld alone has nobody to wake.
//  2. A waiter that was taken off the list and woken either was given the mutex (kHeld stayed set
//     for it), or kWoken is set for it. Such a one, before it does anything else, a cancellation
//     included, clears kWoken and takes the mutex, or goes back to the list, if somebody holds it.
//  3. An unlock that finds kWoken wakes nobody: the waiter that is on its way either takes the
//     mutex, and its own unlock sees to the list, or finds it held by one whose unlock does. Hence
//     no wake-up is swallowed, and while the mutex goes from hand to hand one waiter at a time runs
//     in vain instead of one an unlock.
//
//  4. Whoever comes takes a free mutex, even if a waiter is on its way to it. Did try_lock() refuse
//     it, a fiber that tries two mutexes in turn (std::lock) would keep the only worker from the
//     waiters that it waits for.
//
// Whoever finds the mutex held first watches it for a moment: a critical section is mostly shorter
// than a switch. Not so where the holder waits within it, hence `hint`, the failures of late: after
// a few nobody spins, but now and then one to see whether it pays again. With one worker a holder
// that is not here cannot run.

namespace weft {

using detail::Nanos;
using detail::Waiter;
using detail::WaitQueue;
using detail::Wake;

namespace {
// After so long a waiter no longer competes: it is handed the mutex.
constexpr Nanos kPatience = 1'000'000;
constexpr int kSpins = 16;
constexpr std::uint32_t kFailuresBeforeRest = 4;
constexpr std::uint32_t kRest = 64;
}  // namespace

Mutex::~Mutex() {
  WEFT_ASSERT(waiters_.word.load(std::memory_order_acquire) == 0,
              "nobody holds or awaits a mutex that is destroyed");
}

void Mutex::lock_slowly() {
  if (spin()) return;
  WaitQueue queue(waiters_);
  Waiter waiter;
  std::uint32_t own_mark = 0;  // kWoken, once this waiter has been woken to try
  for (;;) {
    waiter.token = detail::current_token(detail::WaitsFor::kMutex);
    const std::uint32_t state = queue.lock() & ~own_mark;
    if ((state & kHeld) == 0) {
      queue.unlock(state | kHeld);
      return;
    }
    if (waiter.since == 0) waiter.since = detail::now();
    // Who was woken in vain keeps its place.
    if (own_mark != 0) {
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
    own_mark = kWoken;
  }
}

// True when it got the mutex, by overtaking those that wait.
bool Mutex::spin() noexcept {
  const std::uint32_t failures = waiters_.hint.load(std::memory_order_relaxed);
  const bool rests = failures >= kFailuresBeforeRest || !detail::others_may_run();
  for (int spins = rests ? 1 : kSpins; spins > 0; --spins) {
    if (take_if_free()) {
      if (failures != 0 && !rests) waiters_.hint.store(0, std::memory_order_relaxed);
      return true;
    }
    if (spins > 1) detail::cpu_relax();
  }
  waiters_.hint.store(failures < kRest ? failures + 1 : kFailuresBeforeRest - 1,
                      std::memory_order_relaxed);
  return false;
}

void Mutex::forget_waiter_bit() noexcept {
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  queue.unlock(queue.empty() ? state & ~kWaiters : state);
}

void Mutex::unlock_slowly() noexcept {
  std::uint32_t word = waiters_.word.load(std::memory_order_relaxed);
  while ((word & (kWoken | WaitQueue::kLocked)) == kWoken) {
    if (waiters_.word.compare_exchange_weak(word, word & ~kHeld, std::memory_order_release,
                                            std::memory_order_relaxed)) {
      return;
    }
  }
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  if ((state & kWoken) != 0) return queue.unlock(state & ~kHeld);
  while (Waiter* const waiter = queue.pop_front()) {
    waiter->granted = detail::now() - waiter->since >= kPatience;
    const bool granted = waiter->granted;
    const detail::WakeToken token = waiter->token;
    if (const detail::Claimed next = detail::claim(token)) {
      // The mutex may be destroyed once the next holder has run, so it is let go first.
      queue.unlock((queue.empty() ? 0 : kWaiters) | (granted ? kHeld : kWoken));
      detail::resume(next);
      return;
    }
    // Too late for it: it was cancelled. The next one, then.
  }
  queue.unlock(0);
}

namespace detail {

std::unique_lock<Mutex> lock_masked(Mutex& mutex) {
  const MaskScope mask;
  return std::unique_lock(mutex);
}

}  // namespace detail

}  // namespace weft
