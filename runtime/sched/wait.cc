#include "sched/wait.h"

#include <sched.h>

#include "base/futex.h"
#include "fiber/fiber_pool.h"
#include "sched/worker_inline.h"

namespace weft::detail {

namespace {

// A plain thread waits through a descriptor too, so that primitives need not know who waits. It is
// returned when the thread ends; a late waker finds its epoch moved on.
thread_local bool t_stand_in_gone = false;

class ThreadStandIn {
 public:
  ThreadStandIn() : fiber_(FiberPool::instance().take(1)) { fiber_->word.reset(); }
  ~ThreadStandIn() {
    t_stand_in_gone = true;
    fiber_->word.reset();
    FiberPool::instance().give(fiber_, fiber_);
  }
  ThreadStandIn(const ThreadStandIn&) = delete;
  ThreadStandIn& operator=(const ThreadStandIn&) = delete;
  Fiber& fiber() noexcept { return *fiber_; }

 private:
  Fiber* fiber_;
};

Fiber& this_thread_stand_in() {
  thread_local ThreadStandIn stand_in;
  if (!t_stand_in_gone) return stand_in.fiber();
  // The destructor of another thread-local waits, after this one's has run: rare enough to keep a
  // descriptor for good.
  thread_local Fiber* const last = FiberPool::instance().take(1);
  return *last;
}

Wake suspend_thread(Nanos deadline, Arm arm, void* argument) {
  Fiber& self = this_thread_stand_in();
  const WakeToken token{&self, self.word.epoch()};
  self.word.publish(Cancellable::kNo);
  if (arm != nullptr) arm(argument);
  while (const auto half = self.word.waiting_half()) {
    if (!futex_wait(self.word.futex_word(), *half, deadline)) wake(token, Wake::kTimeout);
  }
  return self.word.reason();
}

// The caller has ended the fiber's wait. A thread's descriptor has no scheduler.
enum class Place : std::uint8_t { kNext, kBehindItsGroup };

[[gnu::noinline]] void make_runnable_elsewhere(Fiber& fiber, Scheduler* scheduler) noexcept {
  if (scheduler == nullptr) {
    futex_wake(fiber.word.futex_word(), 1);
  } else {
    scheduler->ready_from_outside(fiber);
  }
}

inline void make_runnable(Fiber& fiber, Scheduler* scheduler, Place place = Place::kNext) noexcept {
  Worker* const here = current_worker();
  if (here == nullptr || &here->scheduler() != scheduler) [[unlikely]] {
    return make_runnable_elsewhere(fiber, scheduler);
  }
  here->note_woken(fiber);
  if (place == Place::kNext) {
    here->ready(fiber);
  } else {
    here->ready_behind_group(fiber);
  }
}

}  // namespace

Fiber& current_waiter() {
  Worker* const here = current_worker();
  return here != nullptr && here->runs_fiber() ? here->current() : this_thread_stand_in();
}

Fiber* current_fiber() noexcept {
  Worker* const here = current_worker();
  return here != nullptr && here->runs_fiber() ? &here->current() : nullptr;
}

namespace {
// An exception on its way would meet a second one, and the program end.
Cancellable allowed(const Worker& here, Cancellable wanted) noexcept {
  return here.may_throw() ? wanted : Cancellable::kNo;
}
}  // namespace

Wake suspend(Arm arm, void* argument, Cancellable cancellable) {
  Worker* const here = current_worker();
  if (here == nullptr || !here->runs_fiber()) return suspend_thread(kNever, arm, argument);
  return here->suspend(arm, argument, allowed(*here, cancellable));
}

Wake suspend_until(Nanos deadline, Arm arm, void* argument, Cancellable cancellable) {
  Worker* const here = current_worker();
  if (here == nullptr || !here->runs_fiber()) return suspend_thread(deadline, arm, argument);
  return here->suspend_until(deadline, arm, argument, allowed(*here, cancellable));
}

void resume(Claimed waiter) noexcept { make_runnable(*waiter.fiber, waiter.scheduler); }

bool wake(WakeToken token, Wake reason) noexcept {
  const Claimed waiter = claim(token, reason);
  if (!waiter) return false;
  make_runnable(*waiter.fiber, waiter.scheduler);
  return true;
}

void wake_from_driver(WakeToken token, Wake reason) noexcept {
  if (Worker* const here = current_worker()) here->stop_sleeping();
  wake(token, reason);
}

void wake_joiner(WakeToken token) noexcept {
  const Claimed waiter = claim(token, Wake::kNormal);
  if (waiter) make_runnable(*waiter.fiber, waiter.scheduler, Place::kBehindItsGroup);
}

bool cancel(Fiber& fiber, Epoch epoch, WaitWord::Noted* noted) noexcept {
  if (Worker* const here = current_worker()) here->show_wait(&fiber);
  switch (fiber.word.cancel(epoch, noted)) {
    case WaitWord::Cancel::kStale:
      return false;
    case WaitWord::Cancel::kWoken:
      // Not read before: a task that is cancelled before it starts has none, and may have started
      // meanwhile. The wait that has been ended was published after it; until it is resumed the
      // fiber stays what it is. Threads are not cancelled.
      make_runnable(fiber, fiber.scheduler.load(std::memory_order_relaxed));
      return true;
    case WaitWord::Cancel::kPending:
      return true;
  }
  __builtin_unreachable();
}

bool take_cancellation() noexcept {
  Worker* const here = current_worker();
  return here != nullptr && here->runs_fiber() && here->take_cancellation();
}

void put_cancellation_back() noexcept {
  Fiber* const self = current_fiber();
  if (self == nullptr) return;
  --self->cancellations;
  self->word.put_pending_back();
}

bool others_may_run() noexcept {
  Worker* const here = current_worker();
  return here == nullptr || !here->is_alone();
}

bool yield_now() {
  Worker* const here = current_worker();
  if (here != nullptr && here->runs_fiber()) return here->yield();
  ::sched_yield();
  return false;
}

bool spend_budget() {
  Worker* const here = current_worker();
  if (here == nullptr || !here->runs_fiber() || !here->charge()) return false;
  return yield_now();
}

}  // namespace weft::detail
