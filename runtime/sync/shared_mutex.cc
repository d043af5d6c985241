#include <weft/shared_mutex.h>

#include <array>

#include <weft/error.h>
#include "sync/wait_queue.h"

// The word: bit 0 locks the list, kWaiters says that it may not be empty, kWriter that a writer has
// the lock, the rest counts readers that have it.
//
// Invariants, where nobody has the list's lock
//  1. A list that is not empty has kWaiters set, and whoever is first in it cannot be let in: a
//     writer while others hold the lock, a reader while a writer does. Hence whoever finds
//     kWaiters waits behind them, and whoever does not overtakes nobody.
//  2. What is given to a waiter is in the word before the waiter runs. Who is given it and
//     cancelled before it runs gives it back.
//  3. A waiter that leaves, being cancelled, may have kept those behind it: it lets them in.

namespace weft {

using detail::Claimed;
using detail::Waiter;
using detail::WaitQueue;
using detail::Wake;

namespace {

struct LockWaiter : Waiter {
  std::uint32_t kind = 0;  // kWriter or kReader
};

}  // namespace

SharedMutex::~SharedMutex() {
  WEFT_ASSERT((waiters_.word.load(std::memory_order_acquire) & ~kWaiters) == 0,
              "nobody holds or awaits a mutex that is destroyed");
}

void SharedMutex::lock_slowly(std::uint32_t kind) {
  LockWaiter waiter;
  waiter.token = detail::current_token(detail::WaitsFor::kSharedMutex);
  waiter.kind = kind;
  WaitQueue queue(waiters_);
  const std::uint32_t state = queue.lock();
  const bool barred = kind == kWriter ? (state & ~kWaiters) != 0 : (state & kWriter) != 0;
  if (!barred && queue.empty()) {
    queue.unlock((state & ~kWaiters) + kind);
    return;
  }
  queue.push_back(waiter);
  const Wake reason = queue.wait_for_grant(waiter, state | kWaiters);
  if (reason == Wake::kNormal) {
    if (!detail::take_cancellation()) return;
    give_back(kind);
  } else {
    let_in(queue.lock());
  }
  throw Cancelled();
}

void SharedMutex::give_back(std::uint32_t kind) noexcept {
  std::uint32_t word = waiters_.word.load(std::memory_order_relaxed);
  while ((word & (kListLocked | kWaiters)) == 0) {
    if (waiters_.word.compare_exchange_weak(word, word - kind, std::memory_order_release,
                                            std::memory_order_relaxed)) {  // [shared-mutex]
      return;
    }
  }
  let_in(WaitQueue(waiters_).lock() - kind);
}

// With the list's lock, which it leaves: a writer if nobody holds the lock, or the readers that are
// first, if no writer does.
void SharedMutex::let_in(std::uint32_t state) noexcept {
  WaitQueue queue(waiters_);
  std::array<Claimed, 16> let;
  std::size_t count = 0;
  while ((state & kWriter) == 0) {
    auto* const first = static_cast<LockWaiter*>(queue.front());
    if (first == nullptr || (first->kind == kWriter && state >= kReader)) break;
    if (count == let.size()) {
      // While others wait, who cannot leave without the list's lock, nobody may destroy this.
      for (const Claimed& waiter : let) detail::resume(waiter);
      count = 0;
    }
    const std::uint32_t kind = first->kind;
    queue.remove(*first);
    if ((let[count] = detail::claim(first->token))) {
      state += kind;
      ++count;
    }
    // Else too late for it: it was cancelled. The next one, then.
  }
  queue.unlock(queue.empty() ? state & ~kWaiters : state | kWaiters);
  // Once the last of them has run it may be destroyed.
  for (std::size_t i = 0; i < count; ++i) detail::resume(let[i]);
}

}  // namespace weft
