#pragma once

// The one wait queue under every synchronisation primitive: a FIFO list of waiters behind a
// spinlock that is bit 0 of the primitive's own word. State and lock share the word so that the
// last thing a primitive does to itself, unlocking, also publishes its new state: whoever sees that
// state may destroy it.
//
// A waiter is on its own stack. It leaves the list in one of two ways: a waker takes it off under
// the lock and calls wake() after; or, ended by something else, it takes itself off under the lock.
// A waker whose wake() fails was too late, and turns to the next.

#include <array>
#include <cstddef>

#include <weft/detail/wait_list.h>
#include "base/assert.h"
#include "base/atomic.h"
#include "sched/wait.h"

namespace weft::detail {

struct Waiter {
  WakeToken token;
  Waiter* next = nullptr;
  Waiter* previous = nullptr;
  bool linked = false;
  Nanos since = 0;       // for Mutex: when it first found the lock taken
  bool granted = false;  // for Mutex: it was handed the lock; written under the list's lock
};

/// A view of a WaitList; the functions below need its lock, but for lock() and load().
class WaitQueue {
 public:
  static constexpr std::uint32_t kLocked = 1;

  explicit WaitQueue(WaitList& list) noexcept : list_(list) {}

  /// Returns the other bits.
  std::uint32_t lock() noexcept;
  /// Gives the word the bits `state`, and the lock back.
  void unlock(std::uint32_t state) noexcept {
    list_.word.store(state & ~kLocked, std::memory_order_release);
  }

  bool empty() const noexcept { return list_.first == nullptr; }
  Waiter* front() const noexcept { return list_.first; }
  void push_back(Waiter& waiter) noexcept {
    waiter.next = nullptr;
    waiter.previous = list_.last;
    (list_.last != nullptr ? list_.last->next : list_.first) = &waiter;
    list_.last = &waiter;
    waiter.linked = true;
  }
  void push_front(Waiter& waiter) noexcept;
  void remove(Waiter& waiter) noexcept;
  Waiter* pop_front() noexcept {
    Waiter* const waiter = list_.first;
    if (waiter == nullptr) return nullptr;
    list_.first = waiter->next;
    (waiter->next != nullptr ? waiter->next->previous : list_.last) = nullptr;
    waiter->linked = false;
    return waiter;
  }

  /// Sleeps; the lock is released, with `state`, once the caller is asleep. The waiter has been
  /// pushed. On return it is in the list no more.
  Wake wait(Waiter& waiter, std::uint32_t state);

  /// The same where wakers claim under the lock, and let go of it before they resume: on return the
  /// waker has done with the primitive, whoever waited.
  Wake wait_for_grant(Waiter& waiter, std::uint32_t state);

  /// Takes waiters off until one of them can be claimed, and says which. Not one if there is no
  /// live waiter.
  Claimed claim_front(Waiter** which = nullptr) noexcept {
    while (Waiter* const waiter = pop_front()) {
      if (which != nullptr) *which = waiter;
      if (const Claimed claimed = claim(waiter->token)) return claimed;
      // Too late for it: it was cancelled, or is a select that is served elsewhere. The next one.
    }
    return {};
  }

  /// Wakes all, and releases the lock with `state` in such a way that nothing of the primitive is
  /// touched after the last ones have been woken.
  void wake_all_and_unlock(std::uint32_t state, Wake reason = Wake::kNormal) noexcept;

 private:
  WaitList& list_;
};

}  // namespace weft::detail
