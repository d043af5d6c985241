#include <weft/condition_variable.h>

#include <stdexcept>

#include <weft/error.h>
#include "sched/mask_scope.h"
#include "sync/wait_queue.h"

// A notification is one claim of one waiter. Who is notified and cancelled before it runs notifies
// another, so none is swallowed.
//
// The list's lock is taken before the mutex is given back, and let go of when the waiter sleeps.
// Were it the other way round, whoever takes the mutex and notifies would find nobody, or one who
// is not asleep yet and cannot be claimed.

namespace weft {

using detail::Claimed;
using detail::Waiter;
using detail::WaitQueue;
using detail::Wake;

ConditionVariable::~ConditionVariable() {
  WEFT_ASSERT(waiters_.first == nullptr, "nobody waits on a condition variable that is destroyed");
}

template <class M>
void ConditionVariable::wait_with(std::unique_lock<M>& lock) {
  if (!lock.owns_lock()) {
    throw std::logic_error("weft::ConditionVariable: the lock that is given to wait is not held");
  }
  Waiter waiter{.token = detail::current_token(detail::WaitsFor::kCondition)};
  WaitQueue queue(waiters_);
  queue.lock();
  queue.push_back(waiter);
  lock.unlock();
  const Wake reason = queue.wait_for_grant(waiter, 0);
  {
    // Whoever asks to stop meanwhile is heard afterwards.
    const detail::MaskScope mask;
    lock.lock();
  }
  // Two requests, one before and one while it locked, are told at once, as in asyncio.
  const bool asked = detail::take_cancellation();
  if (asked && reason == Wake::kCancelled) detail::merge_cancellation(*waiter.token.fiber);
  if (reason != Wake::kCancelled && !asked) return;
  if (reason == Wake::kNormal) notify_one();
  throw Cancelled();
}

void ConditionVariable::wait(std::unique_lock<Mutex>& lock) { wait_with(lock); }
void ConditionVariable::wait(std::unique_lock<FairMutex>& lock) { wait_with(lock); }

void ConditionVariable::notify_one() noexcept {
  WaitQueue queue(waiters_);
  queue.lock();
  const Claimed next = queue.claim_front();
  queue.unlock(0);
  if (next) detail::resume(next);
}

void ConditionVariable::notify_all() noexcept {
  WaitQueue queue(waiters_);
  queue.lock();
  queue.wake_all_and_unlock(0);
}

}  // namespace weft
