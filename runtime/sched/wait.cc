#include "sched/wait.h"

#include <sched.h>

#include "base/futex.h"
#include "fiber/fiber_pool.h"
#include "sched/scheduler.h"
#include "sched/worker.h"

namespace weft::detail {

namespace {

// A plain thread waits through a descriptor too, so that primitives need not know who waits. It is
// returned when the thread ends; a late waker finds its epoch moved on.
class ThreadStandIn {
 public:
  ThreadStandIn() : fiber_(FiberPool::instance().take(1)) {
    fiber_->kind = FiberKind::kThread;
    fiber_->word.reset();
  }
  ~ThreadStandIn() {
    fiber_->word.reset();
    fiber_->kind = FiberKind::kFiber;
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
  return stand_in.fiber();
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
void make_runnable(Fiber& fiber, Scheduler* scheduler) noexcept {
  if (scheduler == nullptr) {
    futex_wake(fiber.word.futex_word(), 1);
  } else {
    scheduler->ready(fiber);
  }
}

}  // namespace

Fiber& current_waiter() noexcept {
  Worker* const here = current_worker();
  return here != nullptr ? here->current() : this_thread_stand_in();
}

Fiber* current_fiber() noexcept {
  Worker* const here = current_worker();
  return here != nullptr && here->runs_fiber() ? &here->current() : nullptr;
}

Wake suspend(Arm arm, void* argument, Cancellable cancellable) {
  return suspend_until(kNever, arm, argument, cancellable);
}

Wake suspend_until(Nanos deadline, Arm arm, void* argument, Cancellable cancellable) {
  Worker* const here = current_worker();
  if (here == nullptr) return suspend_thread(deadline, arm, argument);
  // An exception on its way would meet a second one, and the program end.
  if (here->unwinding()) cancellable = Cancellable::kNo;
  return here->suspend_until(deadline, arm, argument, cancellable);
}

bool wake(WakeToken token, Wake reason) noexcept {
  Fiber& fiber = *token.fiber;
  // Read first: once woken, the fiber may end and its descriptor serve another runtime.
  Scheduler* const scheduler = fiber.scheduler.load(std::memory_order_relaxed);
  if (!fiber.word.wake(token.epoch, reason)) return false;
  make_runnable(fiber, scheduler);
  return true;
}

bool cancel(Fiber& fiber, Epoch epoch) noexcept {
  Scheduler* const scheduler = fiber.scheduler.load(std::memory_order_relaxed);
  switch (fiber.word.cancel(epoch)) {
    case WaitWord::Cancel::kStale:
      return false;
    case WaitWord::Cancel::kWoken:
      make_runnable(fiber, scheduler);
      return true;
    case WaitWord::Cancel::kPending:
      return true;
  }
  __builtin_unreachable();
}

bool take_cancellation() noexcept {
  Worker* const here = current_worker();
  if (here == nullptr || !here->runs_fiber() || here->unwinding()) return false;
  return here->current().word.take_pending();
}

bool yield_now() {
  Worker* const here = current_worker();
  if (here == nullptr) {
    ::sched_yield();
    return false;
  }
  here->yield();
  return take_cancellation();
}

bool spend_budget() {
  Worker* const here = current_worker();
  if (here == nullptr || !here->charge()) return false;
  return yield_now();
}

}  // namespace weft::detail
