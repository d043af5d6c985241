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
    take_inbox();
  if (alone_) return next_alone();
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
  Fiber* const oldest = own_.pop();
  return oldest != nullptr ? oldest : lifo_.take(true);
}

inline Fiber* Worker::next_unpinned() noexcept {
  // What was woken last goes first, but not for ever.
  if (lifo_goes_first()) {
    ++lifo_run_;
    if (Fiber* const woken = lifo_.take(false)) return woken;
  }
  lifo_run_ = 0;
  if (Fiber* const oldest = pop_ring()) return oldest;
  return lifo_.waits() ? lifo_.take(false) : nullptr;
}

inline void Worker::ready(Fiber& fiber) noexcept {
  // From a fiber: what it wakes runs next, while what they share is warm, and no other worker is
  // woken for it. Its owner is about to switch; if it is not, thieves and the monitor see to it.
  if (fifo_ || batching_ || !runs_fiber() || fiber.pins > 0 ||
      chaos::strikes(chaos::Kind::kQueue, 4)) {
    enqueue(fiber);
    return;
  }
  if (Fiber* const displaced = lifo_.put(&fiber, alone_)) enqueue(*displaced);
}

inline void Worker::enqueue(Fiber& fiber) noexcept {
  if (fiber.pins > 0) [[unlikely]] {
    enqueue_pinned(fiber);
  } else if (alone_) {
    own_.push(fiber);
  } else {
    if (!ring_.push(&fiber)) [[unlikely]]
      spill(fiber);
    notify(fiber);
  }
}

// After a fiber was published: wakes a worker if that is needed.
inline void Worker::notify(Fiber& fiber) noexcept {
  if (batching_) {
    batched_ = true;
  } else if (ring_.has_one() && !lifo_.waits()) {
    offer_lone(&fiber);
  } else {
    wake_another();
  }
}

// The only fiber queued here: its owner will most likely run it before a worker that is woken now
// has come. So the call is made, but ever more rarely while it proves vain, and at once again when
// a thief has taken something. Until then a worker that searches anyway may take it, and the
// monitor sees to the rest.
inline void Worker::offer_lone(const Fiber* fiber) noexcept {
  if (robbed_.load(std::memory_order_relaxed)) {
    robbed_.store(false, std::memory_order_relaxed);
    lone_.backoff = lone_.skip = 0;
  }
  if (lone_.skip > 0) {
    --lone_.skip;
    return;
  }
  lone_.backoff = lone_.was_vain ? std::min(2 * lone_.backoff + 1, kMostLoneSkips) : 0;
  lone_.skip = lone_.backoff;
  lone_.offered = fiber;
  lone_.was_vain = false;
  wake_another();
}

inline Fiber* Worker::pop_ring() noexcept {
  Fiber* const fiber = ring_.pop();
  if (fiber != nullptr && fiber == lone_.offered) lone_.was_vain = true;
  return fiber;
}

}  // namespace weft::detail
