#include <weft/fair_mutex.h>

#include <weft/error.h>
#include "sync/wait_queue.h"

// The word: bit 0 locks the list, kHeld says that somebody has the mutex, kWaiters that the list
// may not be empty.
//
// Invariants, where nobody has the list's lock
//  1. Somebody waits only while the mutex is held, and kWaiters is set then: so an unlock that
//     finds kHeld alone has nobody to wake, and who finds 0 overtakes nobody.
//  2. A mutex that is handed over stays held. Who is handed it and cancelled before it runs hands
//     it on.

namespace weft {

using detail::Claimed;
using detail::Waiter;
using detail::WaitQueue;
using detail::Wake;

FairMutex::~FairMutex() {
  WEFT_ASSERT((waiters_.word.load(std::memory_order_acquire) & ~kWaiters) == 0,
              "nobody holds or awaits a mutex that is destroyed");
}

void FairMutex::lock_slowly() {
  Waiter waiter{.token = detail::current_token(detail::WaitsFor::kMutex)};
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  if ((state & kHeld) == 0) {
    queue.unlock(kHeld);
    return;
  }
  queue.push_back(waiter);
  const Wake reason = queue.wait_for_grant(waiter, state | kWaiters);
  if (reason == Wake::kNormal) {
    if (!detail::take_cancellation()) return;
    give_back();
  }
  throw Cancelled();
}

void FairMutex::hand_over() noexcept {
  WaitQueue queue(waiters_);
  queue.lock();
  const Claimed next = queue.claim_front();
  queue.unlock((next ? kHeld : 0) | (queue.empty() ? 0 : kWaiters));
  if (next) detail::resume(next);
}

}  // namespace weft
