#pragma once

// The part of a worker that runs at every switch: which fiber is next, and where a fiber that
// became ready goes. Included by the few files that switch.

#include <algorithm>

#include "base/chaos.h"
#include "sched/scheduler.h"
#include "sched/worker.h"

namespace weft::detail {

inline Fiber& Worker::pick_raw() noexcept {
  if (--turns_left_ <= 0 || chaos::strikes(chaos::Kind::kTurn, 8)) [[unlikely]]
    return root_;
  Fiber* const next = next_local();
  return next != nullptr ? *next : root_;
}

inline Fiber& Worker::pick() noexcept { return with_stack(pick_raw()); }

inline Fiber& Worker::with_stack(Fiber& fiber) noexcept {
  return fiber.started() ? fiber : give_stack(fiber);
}

inline Fiber* Worker::next_local() noexcept {
  if (!inbox_.looks_empty()) [[unlikely]]
    return next_after_inbox();
  return alone_ ? next_alone() : next_among_others();
}

// Apart, so that the other way has no frame.
[[gnu::noinline]] inline Fiber* Worker::next_after_inbox() noexcept {
  take_inbox();
  return alone_ ? next_alone() : next_among_others();
}

// Mostly what has been spawned last. What is out of line saves registers that this has no use for.
inline Fiber* Worker::next_among_others() noexcept {
  if (own_.empty() && !lifo_.waits() && starts_run_ < std::min(kStartsInARow, turns_given_)) {
    if (Fiber* const spawned = spawned_.pop_quickly()) {
      lifo_run_ = 0;
      ++starts_run_;
      return spawned;
    }
  }
  return next_in_order();
}

[[gnu::noinline]] inline Fiber* Worker::next_in_order() noexcept {
  if (!own_.empty()) [[unlikely]]
    return next_with_own();
  return next_unpinned();
}

inline Fiber* Worker::next_alone() noexcept {
  if (lifo_goes_first()) {
    ++lifo_run_;
    return lifo_.take(true);
  }
  lifo_run_ = 0;
  if (!unstarted_.empty() && starts_go_first()) {
    if (Fiber* const spawned = unstarted_.pop()) return spawned;
  }
  if (Fiber* const oldest = own_.pop()) return oldest;
  return next_at_last();
}

// Likewise apart.
[[gnu::noinline]] inline Fiber* Worker::next_at_last() noexcept {
  if (Fiber* const spawned = unstarted_.pop()) return spawned;
  if (Fiber* const due = unstarted_.pop_due()) return due;
  return lifo_.take(true);
}

inline bool Worker::take_to_run_at_once(const Fiber& child) noexcept {
  if (lifo_.waits() || turns_left_ <= 2 || starts_run_ >= std::min(kStartsInARow, turns_given_) ||
      !inbox_.looks_empty() || chaos::strikes(chaos::Kind::kQueue, 4)) {
    return false;
  }
  if (!alone_) return own_.empty() && spawned_.pop_if_first(&child);
  if (!unstarted_.has_first_alone(child)) return false;
  unstarted_.pop();
  return true;
}

// Depth first, but not for ever: others wait, too. See pace().
inline bool Worker::starts_go_first() noexcept {
  if (++starts_run_ <= std::min(kStartsInARow, turns_given_)) return true;
  starts_run_ = 0;
  return false;
}

inline Fiber* Worker::next_unpinned() noexcept {
  // What was woken last goes first, but not for ever.
  if (lifo_goes_first()) {
    ++lifo_run_;
    if (Fiber* const woken = lifo_.take(false)) return woken;
  }
  lifo_run_ = 0;
  const bool unstarted = spawned_.count() > 0;
  if (unstarted && starts_go_first()) {
    if (Fiber* const spawned = spawned_.pop()) return spawned;
  }
  if (Fiber* const oldest = ring_.pop()) return oldest;
  if (unstarted) {
    if (Fiber* const spawned = spawned_.pop()) return spawned;
  }
  return lifo_.waits() ? lifo_.take(false) : nullptr;
}

// A timer has been armed. Where there was none, this round was not to be a short one.
inline void Worker::note_timer() noexcept {
  if (std::exchange(has_timers_, true)) return;
  begin_pacing();
  turns_given_ = std::min(turns_given_, turns_in_round_);
  turns_left_ = std::min(turns_left_, turns_in_round_);
}

inline void Worker::begin_pacing() noexcept {
  if (!std::exchange(paced_, true) && !fifo_) turns_in_round_ = 1;
}

// The fiber has left its stack for good. Counted last, for whoever waits for the count may look at
// the rest.
#if defined(WEFT_TSAN)
// Inlined into fiber_main it would not be instrumented either, and [life] and [count] go unseen.
[[gnu::noinline]]
#else
[[gnu::always_inline]]
#endif
inline void
Worker::retire(Fiber& fiber) noexcept {
  fiber.scheduler.store(nullptr, std::memory_order_release);
  if (fiber.life.load(std::memory_order_relaxed) == Life::kAbandoned) [[unlikely]]
    return free_and_count(fiber);
  // The last that is done to it here: whoever has dropped its last handle may reuse it. [life]
  fiber.life.store(Life::kRetired, std::memory_order_release);
  scheduler_.census().count_end(stats_.fibers);
}

inline void Worker::start(Fiber& fiber) noexcept {
  fiber.scheduler.store(&scheduler_, std::memory_order_release);
  stats_.fibers.started.add();
  if (alone_ && !fifo_ && fiber.pins == 0) {
    unstarted_.push(fiber, &current());
  } else {
    start_among_others(fiber);
  }
}

inline void Worker::note_woken(const Fiber& fiber) noexcept {
  if (haul_.pending()) [[unlikely]]
    note_companion(fiber);
}

inline void Worker::ready(Fiber& fiber) noexcept {
  // From a fiber: what it wakes runs next, while what they share is warm, and no other worker is
  // woken for it. Its owner is about to switch; if it is not, thieves and the monitor see to it.
  if (fifo_ || batching_ || !runs_fiber() || fiber.pins > 0 || !fiber.started() ||
      chaos::strikes(chaos::Kind::kQueue, 4)) {
    enqueue(fiber);
    return;
  }
  if (Fiber* const displaced = lifo_.put(&fiber, alone_)) enqueue(*displaced);
}

inline void Worker::ready_behind_group(Fiber& fiber) noexcept {
  const bool may_wait = !fifo_ && fiber.pins == 0 && !chaos::strikes(chaos::Kind::kQueue, 4);
  if (may_wait && alone_ && unstarted_.push_behind_group(fiber)) return;
  if (!may_wait || alone_ || !spawned_.has_group_of(&fiber)) {
    ready(fiber);
  } else if (!spawned_.push_behind_group(&fiber)) {
    enqueue(fiber);
  }
}

inline void Worker::enqueue(Fiber& fiber) noexcept {
  if (fiber.pins > 0) [[unlikely]] {
    enqueue_pinned(fiber);
  } else if (alone_) {
    own_.push(fiber);
  } else {
    if (!ring_.push(&fiber)) [[unlikely]]
      spill(fiber);
    notify();
  }
}

// After fibers were published: wakes a worker if that is needed.
inline void Worker::notify() noexcept {
  if (batching_) {
    batched_ = true;
  } else if (has_lone() && !lifo_.waits()) {
    offer(Offers::kReady);
  } else {
    wake_another();
  }
}

inline Offers::Site Worker::birthplace(const Fiber& fiber) noexcept {
  return Offers::site(fiber.function.load(std::memory_order_relaxed),
                      fiber.line.load(std::memory_order_relaxed));
}

// What its owner will most likely have run before a worker that is woken now has come: a fiber that
// is alone in the ring, and any that has not started. So the call is made, but ever more rarely
// while it proves vain, and at once again when a thief has taken something. Until then a worker
// that searches anyway may take it; and where turns are long the monitor wakes one, and has it
// forgotten what was in vain.
inline void Worker::offer(Offers::Site site) noexcept {
  // Who has been robbed learns that as it calls: what is taken from it is offered again then.
  if (offers_.due(site) || robbed_.load(std::memory_order_relaxed) != 0) call_for(site);
}

}  // namespace weft::detail
