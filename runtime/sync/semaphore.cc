#include <weft/semaphore.h>

#include <array>
#include <stdexcept>
#include <string>

#include <weft/error.h>
#include "sync/wait_queue.h"

// The word: bit 0 locks the list, kWaiters says that it may not be empty, the rest counts permits.
//
// Invariants, where nobody has the list's lock
//  1. Where kWaiters is set there is no permit. So who finds one overtakes nobody.
//  2. A list that is not empty has kWaiters set. So who releases and does not find it has nobody to
//     wake.
//  3. A permit that is given to a waiter was never in the word. Who is given one and cancelled
//     before it runs gives it on.

namespace weft {

using detail::Claimed;
using detail::Waiter;
using detail::WaitQueue;
using detail::Wake;

Semaphore::Semaphore(std::size_t permits) : Semaphore(permits, kMost) {}

Semaphore::Semaphore(std::size_t permits, std::size_t limit) : limit_(limit) {
  if (permits > kMost) {
    throw std::invalid_argument("weft::Semaphore: " + std::to_string(permits) +
                                " permits; there can be " + std::to_string(kMost));
  }
  waiters_.word.store(static_cast<std::uint32_t>(permits) * kOne, std::memory_order_relaxed);
}

Semaphore::~Semaphore() {
  WEFT_ASSERT(waiters_.first == nullptr, "nobody waits on a semaphore that is destroyed");
}

bool Semaphore::take_with_lock() noexcept {
  if (available() == 0) return false;
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  const bool taken = state >= kOne;
  queue.unlock(taken ? state - kOne : state);
  return taken;
}

void Semaphore::acquire_slowly() {
  Waiter waiter{.token = detail::current_token(detail::WaitsFor::kSemaphore)};
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  if (state >= kOne) {
    queue.unlock(state - kOne);
    return;
  }
  queue.push_back(waiter);
  const Wake reason = queue.wait_for_grant(waiter, state | kWaiters);
  if (reason == Wake::kNormal) {
    if (!detail::take_cancellation()) return;
    release();
  }
  throw Cancelled();
}

void Semaphore::check_limit(std::size_t permits, std::size_t more) const {
  if (more > limit_ || permits > limit_ - more) {
    throw std::logic_error("weft::Semaphore: " + std::to_string(more) + " released, with " +
                           std::to_string(permits) + " of at most " + std::to_string(limit_) +
                           " there");
  }
}

bool Semaphore::add_at_once(std::size_t count) {
  std::uint32_t word = waiters_.word.load(std::memory_order_relaxed);
  while ((word & (kListLocked | kWaiters)) == 0) {
    check_limit(word / kOne, count);
    if (waiters_.word.compare_exchange_weak(word, word + static_cast<std::uint32_t>(count) * kOne,
                                            std::memory_order_release,
                                            std::memory_order_relaxed)) {  // [semaphore]
      return true;
    }
  }
  return false;
}

void Semaphore::release(std::size_t count) {
  if (count == 0 || add_at_once(count)) return;
  WaitQueue queue(waiters_);
  std::uint32_t state = queue.lock();
  try {
    check_limit(state / kOne, count);
  } catch (...) {
    queue.unlock(state);
    throw;
  }
  // Some at a time. The last of all may destroy the semaphore, so it is let go of before they run;
  // not so while others wait, who cannot leave without the lock.
  std::array<Claimed, 16> woken;
  std::size_t served = 0;
  for (; count > 0; --count) {
    if (served == woken.size()) {
      if (queue.empty()) break;
      for (const Claimed& waiter : woken) detail::resume(waiter);
      served = 0;
    }
    woken[served] = queue.claim_front();
    if (!woken[served]) break;
    ++served;
  }
  if (queue.empty()) state = (state & ~kWaiters) + static_cast<std::uint32_t>(count) * kOne;
  queue.unlock(state);
  for (std::size_t i = 0; i < served; ++i) detail::resume(woken[i]);
}

}  // namespace weft
