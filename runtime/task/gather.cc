#include <weft/gather.h>

#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>

#include <weft/error.h>
#include "sched/mask_scope.h"
#include "task/task_state.h"

// One waiter, many children, and for each a hook, which a child that the gather starts has from
// before it runs. The hooks of children that still run are removed before they go; a hook that is
// being told holds its child's lock, so removing waits for it.

namespace weft::detail {

struct Gather::Wait {
  // So many more than there are children, until all have been taken on: none is the last before.
  static constexpr std::size_t kNotAllYet = ~std::size_t{0} / 2;

  FiberSpinlock lock;
  // All under lock.
  std::size_t remaining = kNotAllYet;
  const GatherChild* first_failure = nullptr;
  bool stop_at_failure = false;
  WakeToken waiter;  // while it sleeps, or is about to

  // Only the waiter's.
  bool return_exceptions = false;
  std::size_t taken = 0;
  GatherChild* first = nullptr;  // in order
  GatherChild* last = nullptr;

  bool over() const noexcept {
    return remaining == 0 || (stop_at_failure && first_failure != nullptr);
  }
};

struct GatherChild::Hook : CompletionHook {
  Hook(Gather::Wait& gather, GatherChild& owner) noexcept
      : CompletionHook(&Hook::told), wait(gather), child(owner) {}

  static WakeToken told(CompletionHook& hook, TaskOutcome outcome) noexcept {
    auto& self = static_cast<Hook&>(hook);
    return self.wait.lock.try_lock() ? self.note(outcome) : self.tell(outcome);
  }

  [[gnu::noinline]] WakeToken tell(TaskOutcome outcome) noexcept {
    wait.lock.lock();
    return note(outcome);
  }
  // Lets go of the lock.
  [[gnu::always_inline]] WakeToken note(TaskOutcome outcome) noexcept {
    const std::lock_guard guard(wait.lock, std::adopt_lock);
    --wait.remaining;
    if (outcome != TaskOutcome::kValue && wait.first_failure == nullptr)
      wait.first_failure = &child;
    return wait.over() ? std::exchange(wait.waiter, WakeToken()) : WakeToken();
  }

  Gather::Wait& wait;
  const GatherChild& child;
};

GatherChild::Hook& GatherChild::hook() noexcept {
  return *std::launder(reinterpret_cast<Hook*>(hook_));
}

Gather::Wait& Gather::inside() noexcept { return *std::launder(reinterpret_cast<Wait*>(inside_)); }

Gather::Gather(bool return_exceptions) {
  static_assert(sizeof(Wait) <= sizeof(inside_) && alignof(Wait) <= 8);
  if (current_fiber() == nullptr) throw std::logic_error("weft::gather: called outside a fiber");
  Wait& wait = *::new (static_cast<void*>(inside_)) Wait;
  wait.return_exceptions = return_exceptions;
  wait.stop_at_failure = !return_exceptions;
}

Gather::~Gather() {
  Wait& wait = inside();
  {
    // Under the lock: at zero the last child has done with this.
    std::lock_guard guard(wait.lock);
    if (wait.remaining == 0) return;
  }
  for (GatherChild* child = wait.first; child != nullptr; child = child->next_) {
    state_of(child->task.fiber()).end.remove(child->hook());
  }
}

CompletionHook& Gather::link(GatherChild& child, TaskState& state) noexcept {
  static_assert(sizeof(GatherChild::Hook) <= sizeof(child.hook_) &&
                alignof(GatherChild::Hook) <= 8);
  Wait& wait = inside();
  (wait.last != nullptr ? wait.last->next_ : wait.first) = &child;
  wait.last = &child;
  ++wait.taken;
  if (!wait.return_exceptions) state.error_read.store(true, std::memory_order_relaxed);
  return *::new (static_cast<void*>(child.hook_)) GatherChild::Hook(wait, child);
}

void Gather::link_unstarted(GatherChild& child, Fiber& fiber) noexcept {
  TaskState& state = state_of(fiber);
  state.end.add_first(link(child, state));
  child.started_ = true;
}

void Gather::add(GatherChild& child, const TaskRef& task) {
  check_task(task);
  if (&task.fiber() == current_fiber()) {
    throw std::logic_error("weft::gather: a task cannot wait for itself");
  }
  child.task = task;
  TaskState& state = state_of(task.fiber());
  GatherChild::Hook& hook = static_cast<GatherChild::Hook&>(link(child, state));
  if (!state.end.add(hook)) hook.tell(task.outcome());
}

void Gather::wait() {
  Wait& wait = inside();
  const WakeToken first_wait = current_token(WaitsFor::kTasks);
  bool cancelled = false;
  bool suspended = false;
  wait.lock.lock();
  wait.remaining -= Wait::kNotAllYet - wait.taken;
  if (!wait.over() && take_cancellation()) {
    // Asked before it began to wait: children that have not started never do.
    cancelled = true;
    wait.lock.unlock();
    cancel_all();
    wait.lock.lock();
  }
  for (WakeToken self = first_wait; !wait.over();
       self = current_token(WaitsFor::kTasks), wait.lock.lock()) {
    wait.waiter = self;
    suspended = true;
    const Wake reason = suspend(
        [](void* lock) noexcept { static_cast<FiberSpinlock*>(lock)->unlock(); }, &wait.lock);
    if (reason != Wake::kCancelled) continue;
    // Again at each request: a child may have caught the first.
    if (cancelled) merge_cancellation(*current_fiber());
    cancelled = true;
    cancel_all();
  }
  const GatherChild* const failed = wait.return_exceptions ? nullptr : wait.first_failure;
  wait.lock.unlock();
  if (!cancelled && suspended && take_cancellation()) {
    cancelled = true;
    // What they have thrown is not lost: it was waited for.
    for (GatherChild* child = wait.first; child != nullptr; child = child->next_) {
      child->task.mark_read();
    }
  }
  if (cancelled) throw Cancelled();
  if (failed != nullptr) failed->task.rethrow();
}

// Nobody else will see what they throw from now on, and all are waited for.
void Gather::cancel_all() noexcept {
  Wait& wait = inside();
  {
    std::lock_guard guard(wait.lock);
    wait.stop_at_failure = false;
  }
  for (GatherChild* child = wait.first; child != nullptr; child = child->next_) {
    child->task.mark_read();
    child->task.cancel();
  }
}

void Gather::cancel_and_wait() noexcept {
  // The exception that brought the caller here says more; who asks now is heard afterwards.
  const MaskScope mask;
  GatherChild* const first = inside().first;
  for (GatherChild* child = first; child != nullptr; child = child->next_) {
    if (!child->started_) continue;
    child->task.mark_read();
    child->task.cancel();
  }
  for (GatherChild* child = first; child != nullptr; child = child->next_) {
    if (child->started_) child->task.join();
  }
}

}  // namespace weft::detail
