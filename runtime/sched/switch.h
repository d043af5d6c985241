#pragma once

// One switch, for the files in which fibers stop.
//
// The hand-off. A fiber that stops cannot say where it stopped: its context is complete only once
// another runs. So whoever lands next stores it, and then runs the parting action of the fiber that
// left: queue it again, put it to sleep, bury it. Nobody else can see the fiber before that action
// shows it, so nobody resumes half a context.
//
// What breaks if reordered: an action before the store publishes a fiber with its previous context,
// and another worker runs the same stack twice. An action that used the worker's parting fields
// after showing the fiber could find them overwritten, hence the copies.
//
// Whoever includes this has a switch in its own functions. Around it they neither use errno nor a
// thread-local: the compiler keeps their addresses, and the thread may be another afterwards.

#include "sched/worker_inline.h"

namespace weft::detail {

[[gnu::always_inline]] inline Worker& Worker::switch_to(Fiber& next, Parting parting, bool ends) {
  Fiber& previous = current();
  // Read once each: for all that the compiler knows, the stores are to them.
  int* const error = errno_;
  auto* const exceptions = exceptions_;
  previous.saved_errno = *error;
  previous.exceptions = *exceptions;
  *error = next.saved_errno;
  *exceptions = next.exceptions;
  previous_ = &previous;
  parting_ = parting;
  current_.store(&next, std::memory_order_relaxed);
  sanitizer_before_switch(previous.sanitizer, next.sanitizer, ends);
  const Transfer arrival = jump(next.context, this);
  // Another worker may have resumed this stack; it sent itself along.
  sanitizer_after_switch(previous.sanitizer);
  Worker& here = *static_cast<Worker*>(arrival.data);
  here.land(arrival.fctx);
  return here;
}

[[gnu::always_inline]] inline void Worker::land(Context from) noexcept {
  previous_->context = from;
  stats_.turns.add();
  budget_ = kOperationsPerTurn;
  parting_(*this, *previous_);
}

// Why the wait has ended.
[[gnu::always_inline]] inline Wake Worker::told(Fiber& self) noexcept {
  const Wake reason = self.word.reason();
  // Of two requests that came before the fiber ran again, one exception tells.
  if (reason == Wake::kCancelled) [[unlikely]] {
    self.word.take_pending();
    ++self.cancellations;
  }
  return reason;
}

// False: somebody else has ended its wait.
#if defined(WEFT_TSAN)
[[gnu::noinline]]  // as retire() is
#endif
inline bool
Worker::claim_held(Fiber& waiter) noexcept {
  return alone_ || waiter.word.wake(held_epoch_, Wake::kNormal);
}

[[gnu::always_inline]] inline Wake Worker::run_at_once(Fiber& child, HeldWait& wait) {
  Fiber& self = current();
  const Epoch epoch = self.word.epoch();
  show_wait();
  settle_late();
  lifo_run_ = 0;
  ++starts_run_;
  turns_left_ -= 2;  // there, and back
  held_ = &self;
  held_epoch_ = epoch;
  held_wait_ = &wait;
  Fiber& next = with_stack(child);
  Parting parting = alone_ ? &nothing : &hold;
  // Without memory for a stack the child will fail on the root, where nobody looks for held ones.
  if (&next == &root_) [[unlikely]]
    parting = [](Worker& here, Fiber& previous) {
      if (!here.alone_) hold(here, previous);
      here.show_wait();
    };
  switch_to(next, parting);
  return self.word.epoch() == epoch ? Wake::kNormal : told(self);
}

}  // namespace weft::detail
