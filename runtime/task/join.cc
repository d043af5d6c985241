// Waiting for a task, and asking it to stop.

#include <stdexcept>

#include <weft/error.h>
#include <weft/task.h>
#include "sched/worker.h"
#include "task/task_state.h"

namespace weft::detail {

namespace {

struct JoinHook : CompletionHook {
  explicit JoinHook(WakeToken waiter) noexcept
      : CompletionHook([](CompletionHook& hook, TaskOutcome) noexcept {
          return static_cast<JoinHook&>(hook).token;
        }),
        token(waiter) {}
  const WakeToken token;
};

// One wait, until the task ends or something else ends it.
Wake wait_for_end(Fiber& self, TaskState& state) {
  if (&state_of(self) == &state) {
    throw std::logic_error("weft::Task: a task cannot wait for itself");
  }
  JoinHook hook({&self, self.word.epoch()});
  if (!state.end.add_locked(hook)) return Wake::kNormal;
  const Wake reason =
      suspend([](void* end) noexcept { static_cast<TaskEnd*>(end)->unlock(); }, &state.end);
  if (reason != Wake::kNormal) state.end.remove(hook);
  return reason;
}

// A glance first: it is nearly never so.
bool was_cancelled(const Fiber& self) noexcept {
  return self.word.cancel_pending() && take_cancellation();
}

}  // namespace

void TaskRef::join() const {
  TaskState& state = state_of(*fiber_);
  if (state.ended()) return;
  Fiber& self = current_waiter();
  if (wait_for_end(self, state) != Wake::kNormal || was_cancelled(self)) throw Cancelled();
}

void TaskRef::await() const {
  TaskState& state = state_of(*fiber_);
  if (state.ended()) return;
  Fiber& self = current_waiter();
  bool passed_on = false;
  while (!state.ended()) {
    // As in asyncio: who waits for a task and is cancelled passes that on, and learns the outcome
    // from the task; a request that came after the task had ended is the caller's own.
    const Wake reason = wait_for_end(self, state);
    if (reason == Wake::kCancelled && cancel()) {
      passed_on = true;
    } else if (reason == Wake::kCancelled || was_cancelled(self)) {
      throw Cancelled();
    }
  }
  // The task may have been past its last suspension when it was asked, on another worker.
  const bool untold =
      passed_on && outcome() == TaskOutcome::kValue && fiber_->word.cancel_pending();
  if (untold) throw Cancelled();
}

void request_cancel(Fiber& fiber) noexcept {
  while (!cancel(fiber, fiber.word.current_epoch())) {
  }
}

}  // namespace weft::detail

namespace weft {

void yield() {
  if (detail::yield_now()) throw Cancelled();
}

namespace this_task {

using detail::current_fiber;
using detail::Fiber;

std::uint64_t id() noexcept {
  const Fiber* const self = current_fiber();
  return self != nullptr ? self->id.load(std::memory_order_relaxed) : 0;
}

std::string name() {
  const Fiber* const self = current_fiber();
  if (self == nullptr) return {};
  return self->name != nullptr ? self->name : "task-" + std::to_string(id());
}

bool cancel_requested() noexcept {
  const Fiber* const self = current_fiber();
  return self != nullptr && self->word.cancel_pending();
}

unsigned cancelling() noexcept {
  const Fiber* const self = current_fiber();
  return self != nullptr ? self->word.requests() : 0;
}

unsigned uncancel() noexcept {
  Fiber* const self = current_fiber();
  return self != nullptr ? self->word.uncancel() : 0;
}

}  // namespace this_task
}  // namespace weft
