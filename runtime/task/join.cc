// Waiting for a task, and asking it to stop.

#include <optional>
#include <stdexcept>

#include <weft/error.h>
#include <weft/task.h>
#include "sched/switch.h"
#include "sync/lock_record.h"
#include "task/task_state.h"

namespace weft::detail {

namespace {

// Of a wait for the end of one task.
struct Join : CompletionHook {
  explicit Join(Fiber& self) noexcept
      : CompletionHook([](CompletionHook& hook, TaskOutcome) noexcept {
          return static_cast<Join&>(hook).waiter;
        }),
        waiter{&self, self.word.epoch()} {}
  const WakeToken waiter;
};

void unlock_end(void* locked) noexcept { static_cast<TaskEnd*>(locked)->unlock(); }

// The same, of one that may be over before anybody need know of it: then there is no hook.
struct HeldJoin : HeldWait {
  HeldJoin(Fiber& waiter, TaskEnd& awaited) noexcept
      : HeldWait{kJoin, &awaited}, self(waiter), end(awaited) {}

  Fiber& self;
  TaskEnd& end;
  std::optional<Join> hook;

 private:
  static bool begin(HeldWait& held) noexcept {
    auto& join = static_cast<HeldJoin&>(held);
    return join.end.add_locked(join.hook.emplace(join.self));
  }
  static constexpr Kind kJoin{&begin, &unlock_end};
};

[[noreturn, gnu::cold]] void no_wait_for_itself() {
  throw std::logic_error("weft::Task: a task cannot wait for itself");
}

// One wait, until the task ends or something else ends it.
Wake wait_for_end(Fiber& self, Fiber& task) {
  if (&self == &task) no_wait_for_itself();
  Join join(self);
  TaskEnd& end = state_of(task).end;
  self.waits_for.store(WaitsFor::kTask, std::memory_order_release);  // [awaited]
  const AwaitScope awaits(self, &task);
  // Not with the lock of this task, for it takes that of the task that runs.
  if (Worker* const here = current_worker()) here->show_wait();
  if (!end.add_locked(join)) return Wake::kNormal;
  const Wake reason = suspend(&unlock_end, &end);
  if (reason != Wake::kNormal) end.remove(join);
  return reason;
}

// The same, by running the task at once, if it would run next: most waits. The caller is not asked
// to stop.
[[gnu::always_inline]] inline std::optional<Wake> run_until_end(Fiber& task) {
  Worker* const here = current_worker();
  if (here == nullptr || !here->runs_fiber() || here->current().word.cancel_pending() ||
      !here->take_to_run_at_once(task)) {
    return std::nullopt;
  }
  Fiber& self = here->current();
  HeldJoin join(self, state_of(task).end);
  self.waits_for.store(WaitsFor::kTask, std::memory_order_release);  // [awaited]
  const AwaitScope awaits(self, &task);
  if (!here->may_throw()) join.cancellable = Cancellable::kNo;
  const Wake reason = here->run_at_once(task, join);
  if (reason != Wake::kNormal && join.hook) join.end.remove(*join.hook);
  return reason;
}

// A glance first: it is nearly never so.
bool was_cancelled(const Fiber& self) noexcept {
  return self.word.cancel_pending() && take_cancellation();
}

}  // namespace

void TaskRef::join() const {
  if (state_of(*fiber_).ended()) return;
  const std::optional<Wake> reason = run_until_end(*fiber_);
  Fiber& self = current_waiter();
  if (reason.value_or(Wake::kNormal) != Wake::kNormal) throw Cancelled();
  if (!reason && wait_for_end(self, *fiber_) != Wake::kNormal) throw Cancelled();
  if (was_cancelled(self)) throw Cancelled();
}

void TaskRef::await() const {
  if (state_of(*fiber_).end.outcome() != TaskOutcome::kValue) await_value();
}

void TaskRef::await_value() const {
  TaskState& state = state_of(*fiber_);
  if (!state.ended()) {
    const std::optional<Wake> reason = run_until_end(*fiber_);
    if (reason != Wake::kNormal || current_worker()->current().word.cancel_pending()) [[unlikely]]
      await_end(reason);
  }
  if (state.end.outcome() != TaskOutcome::kValue) [[unlikely]]
    rethrow();
}

void TaskRef::await_end(std::optional<Wake> first) const {
  TaskState& state = state_of(*fiber_);
  Fiber& self = current_waiter();
  // As in asyncio: who waits for a task and is cancelled passes that on, and learns the outcome
  // from the task; a request that came after the task had ended is the caller's own.
  bool passed_on = false;
  bool asked = first == Wake::kCancelled;
  if (!asked && was_cancelled(self)) {
    if (first) throw Cancelled();
    asked = true;
  }
  while (asked || !state.ended()) {
    if (asked) {
      if (passed_on) merge_cancellation(self);
      if (!cancel()) throw Cancelled();
      passed_on = true;
    }
    asked = wait_for_end(self, *fiber_) == Wake::kCancelled;
    if (!asked && was_cancelled(self)) throw Cancelled();
  }
  // The task may have been past its last suspension when it was asked, on another worker.
  const bool untold =
      passed_on && outcome() == TaskOutcome::kValue && fiber_->word.cancel_pending();
  if (untold) throw Cancelled();
}

WaitWord::Noted request_cancel(Fiber& fiber) noexcept {
  WaitWord::Noted noted{};
  while (!cancel(fiber, fiber.word.current_epoch(), &noted)) {
  }
  return noted;
}

}  // namespace weft::detail

namespace weft {

void yield() {
  detail::Worker* const here = detail::current_worker();
  if (here != nullptr && here->runs_fiber()) return here->yield_or_throw();
  detail::yield_now();
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
  const char* const name = self->name.load(std::memory_order_relaxed);
  return name != nullptr ? name : "task-" + std::to_string(id());
}

bool cancel_requested() noexcept {
  if (detail::Worker* const here = detail::current_worker()) here->settle_late();
  const Fiber* const self = current_fiber();
  return self != nullptr && self->word.cancel_pending();
}

bool cancel() noexcept {
  Fiber* const self = current_fiber();
  if (self == nullptr) return false;
  detail::request_cancel(*self);
  return true;
}

unsigned cancelling() noexcept {
  if (detail::Worker* const here = detail::current_worker()) here->settle_late();
  const Fiber* const self = current_fiber();
  return self != nullptr ? self->word.requests() : 0;
}

unsigned uncancel() noexcept {
  Fiber* const self = current_fiber();
  return self != nullptr ? self->word.uncancel() : 0;
}

}  // namespace this_task
}  // namespace weft
