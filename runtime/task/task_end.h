#pragma once

// The end of a task, and who waits for it: one word and the list of hooks that it guards.
//
// Roles. The task finishes, once. Waiters add hooks and remove them. Whoever drops the last handle
// detaches.
//
//             add, remove: by way of Locked
//                 |  ^
//                 v  |    no hooks
//   Pending, with or without hooks ----finish----> Ended
//         |               |                          ^
//         |               +--finish--> Ended, Locked |
//         |                 hooks     (hooks are told)
//         +--detach--> Pending, Detached --finish--> Ended, Detached
//
// Invariants
//  1. The outcome is written once, by the swap of finish(), with release: result and error are
//     written before. [outcome]
//  2. Of finish() and detach() the later one learns of the other from the word that it swaps, and
//     that one alone destroys the body. [detach]
//  3. A hook is told once, under the lock, or removed under it; never both. So its frame may go
//     when remove() has returned, or when its waiter has been woken, which comes after the lock.
//  4. Whoever has a hook here holds a handle until it has been woken, or has removed it. So nobody
//     detaches while hooks are told, and the lock can be left by a plain store. (A task that runs
//     at once may itself drop the handle by which another waits for it, before or after the hook is
//     here. Hence unlock() keeps that mark.)
//  5. Without hooks finish() touches nothing after its swap: body and hooks may be gone by then.
//
// What breaks if reordered: an outcome that is stored before the list is locked lets a waiter that
// sees it leave with its hook in the list. Were the last to be told woken before the lock is left,
// it could drop the last handle, and the lock be left in another task.

#include <cstdint>

#include <weft/detail/solo.h>
#include <weft/detail/task_core.h>
#include "base/assert.h"
#include "base/list.h"
#include "base/spinlock.h"
#include "sched/wait.h"

namespace weft::detail {

/// Told when a task ends. Lives in the frame of whoever waits, which removes it before it leaves.
struct CompletionHook : ListNode<> {
  /// Called once, under the task's lock: notes what is to be noted, and returns whom to wake (no
  /// fiber: nobody).
  using Notify = WakeToken (*)(CompletionHook&, TaskOutcome) noexcept;
  explicit CompletionHook(Notify notify_function) noexcept : notify(notify_function) {}
  const Notify notify;
};

class TaskEnd {
 public:
  // -- By anyone.

  TaskOutcome outcome() const noexcept {
    return outcome_of(word_.load(std::memory_order_acquire));  // [outcome]
  }
  bool ended() const noexcept { return outcome() != TaskOutcome::kPending; }

  // -- By waiters, each of which holds a handle.

  /// True if the hook will be told; false if the task has ended.
  bool add(CompletionHook& hook) noexcept;
  /// Afterwards the hook is not told any more, and nobody is in the middle of it. False if it has
  /// been told, or was never added.
  bool remove(CompletionHook& hook) noexcept;

  /// By who makes the task, before anybody else knows it.
  void add_first(CompletionHook& hook) noexcept {
    hooks_.push_back(hook);
    word_.store(kHooked | (word_.load(std::memory_order_relaxed) & kOpen),
                std::memory_order_relaxed);
  }
  /// Likewise, by a thread that is no worker's: that it looks after the task is no reason for a
  /// solo thread to be none any more (<weft/detail/solo.h>).
  void open() noexcept { word_.store(kOpen, std::memory_order_relaxed); }
  /// Like add(), but keeps the lock, for who lets go of it when it is asleep.
  bool add_locked(CompletionHook& hook) noexcept;
  void unlock() noexcept {
    const std::uint32_t rest =
        word_.load(std::memory_order_relaxed) & (kOutcomeMask | kDetached | kOpen);
    word_.store(rest | (hooks_.empty() ? 0 : kHooked), std::memory_order_release);
  }

  // -- By who drops the last handle.

  /// True if the task has ended: its body is the caller's to destroy. If not, it is the task's.
  bool detach() noexcept {
    for (;;) {
      std::uint32_t word = word_.load(std::memory_order_acquire);  // [outcome]
      if (outcome_of(word) != TaskOutcome::kPending) return true;
      if (swap(word, word | kDetached, std::memory_order_acq_rel)) return false;  // [detach]
    }
  }

  // -- By the task, once.

  /// Publishes the outcome, tells the hooks, and calls `wake` on each token that they return. True
  /// if the task has been detached: its body is the caller's to destroy.
  template <class Wake>
  bool finish(TaskOutcome outcome, Wake&& wake) noexcept {
    // Nothing is marked, mostly; that takes no registers that would have to be saved. Release:
    // [outcome].
    const std::uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == 0 &&
        word_.try_once(word, static_cast<std::uint32_t>(outcome), std::memory_order_acq_rel))
      return false;
    return finish_marked(outcome, wake);
  }

 private:
  static constexpr std::uint32_t kOutcomeMask = 3;
  static constexpr std::uint32_t kLocked = 4;
  static constexpr std::uint32_t kHooked = 8;  // the list is not empty, where it is not locked
  static constexpr std::uint32_t kDetached = 16;
  static constexpr std::uint32_t kOpen = 32;  // from its birth to its end

  static TaskOutcome outcome_of(std::uint32_t word) noexcept {
    return static_cast<TaskOutcome>(word & kOutcomeMask);
  }

  // Mostly there is one hook, and nothing else: a path of its own, which saves no registers for the
  // loops of the others.
  template <class Wake>
  [[gnu::noinline]] bool finish_marked(TaskOutcome outcome, Wake& wake) noexcept {
    const std::uint32_t next = kHooked | kLocked | static_cast<std::uint32_t>(outcome);
    if (word_.load(std::memory_order_relaxed) != kHooked ||
        !word_.try_once(kHooked, next, std::memory_order_acq_rel)) {
      return finish_with_care(outcome, wake);
    }
    if (!hooks_.has_one()) [[unlikely]] {
      tell(outcome, wake);
      return false;
    }
    CompletionHook& hook = hooks_.take_front();
    const WakeToken waiter = hook.notify(hook, outcome);
    unlock();
    if (waiter.fiber != nullptr) wake(waiter);
    return false;
  }

  template <class Wake>
  [[gnu::noinline]] bool finish_with_care(TaskOutcome outcome, Wake& wake) noexcept {
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    std::uint32_t next = 0;
    for (SpinWait spin;;) {
      if ((word & kLocked) != 0) {
        spin.pause();
        word = word_.load(std::memory_order_relaxed);
        continue;
      }
      next = word | static_cast<std::uint32_t>(outcome);
      if ((word & kHooked) != 0) next |= kLocked;
      // Release: [outcome]. Acquire: [detach], and what the last holder of the lock did.
      if (swap(word, next, std::memory_order_acq_rel)) break;
    }
    if ((next & kHooked) != 0) tell(outcome, wake);
    return (next & kDetached) != 0;
  }

  // Under the lock, which it leaves before it wakes the last: all of this may be gone then.
  template <class Wake>
  [[gnu::noinline]] void tell(TaskOutcome outcome, Wake& wake) noexcept {
    WakeToken last;
    do {
      CompletionHook& hook = hooks_.take_front();
      const WakeToken token = hook.notify(hook, outcome);
      if (token.fiber == nullptr) continue;
      if (last.fiber != nullptr) [[unlikely]]
        wake(last);
      last = token;
    } while (!hooks_.empty());
    unlock();
    if (last.fiber != nullptr) wake(last);
  }

  void lock() noexcept;
  bool try_lock(std::uint32_t word) noexcept {
    return swap(word, word | kLocked, std::memory_order_acquire);
  }
  bool swap(std::uint32_t& word, std::uint32_t next, std::memory_order order) noexcept {
    if ((word & kOpen) != 0) [[unlikely]]
      return word_.compare_exchange_openly(word, next, order);
    return word_.compare_exchange_weak(word, next, order, std::memory_order_relaxed);
  }

  // Outcome, lock and marks. Changed by swaps, and by whoever holds the lock. [outcome] [detach]
  SharedWord<std::uint32_t> word_{0};
  List<CompletionHook> hooks_;  // under the lock
};

}  // namespace weft::detail
