#pragma once

#include <weft/detail/wait_list.h>
#include <weft/fair_mutex.h>
#include <weft/mutex.h>

#include <mutex>

namespace weft {

/// Waiting for a change of what a mutex protects; asyncio's Condition, std's condition_variable.
/// For fibers and threads. May be destroyed when all waits have returned, even if the notify that
/// ended the last has not.
class ConditionVariable {
 public:
  ConditionVariable() = default;
  ~ConditionVariable();
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;

  /// Unlocks, suspends the fiber (blocks the thread) until it is notified, and locks again, however
  /// it leaves. Nobody else's notify falls between the unlocking and the waiting. Cancellable:
  /// throws Cancelled, with the lock held; a notification that it had been given then goes to
  /// another. So may a thread's first wait std::bad_alloc.
  void wait(std::unique_lock<Mutex>& lock);
  void wait(std::unique_lock<FairMutex>& lock);

  /// The same until `holds()`, which is called with the lock held.
  template <class M, class Predicate>
  void wait(std::unique_lock<M>& lock, Predicate holds) {
    while (!holds()) wait(lock);
  }

  /// Wakes who has waited longest, if anybody does. Whoever changes what is waited for holds the
  /// mutex meanwhile; here it need not be held. Never suspends.
  void notify_one() noexcept;
  /// Wakes all who wait, in the order in which they came. Never suspends.
  void notify_all() noexcept;

 private:
  template <class M>
  void wait_with(std::unique_lock<M>& lock);

  detail::WaitList waiters_;
};

}  // namespace weft
