#include <weft/detail/completions.h>

#include <deque>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include <weft/detail/task_range.h>
#include <weft/error.h>
#include "task/task_state.h"

// One waiter, many tasks, each of which has a hook from the beginning to the end, whether somebody
// waits just now or not. A hook that is being told holds its task's lock, so removing it waits for
// that.

namespace weft::detail {

struct Completions::Inside {
  struct Hook;

  explicit Inside(std::size_t count) { order.reserve(count); }
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  bool over() const noexcept {
    return order.size() >= needed || (until == Until::kCountOrFailure && failed);
  }
  bool sleep(const WakeToken& self, std::int64_t deadline);

  mutable Spinlock lock;
  // All under lock.
  std::vector<std::size_t> order;  // of those that have ended; never grows beyond its capacity
  bool failed = false;             // one has thrown
  std::size_t needed = 0;
  Until until = Until::kCount;
  WakeToken waiter;  // while it sleeps, or is about to

  std::deque<Hook> hooks;  // only the owner's
};

struct Completions::Inside::Hook : CompletionHook {
  Hook(Inside& owner, std::size_t number, const TaskRef& of) noexcept
      : CompletionHook(&Hook::told), inside(owner), position(number), task(of) {}

  static WakeToken told(CompletionHook& hook, TaskOutcome outcome) noexcept {
    return static_cast<Hook&>(hook).tell(outcome);
  }

  WakeToken tell(TaskOutcome outcome) noexcept {
    const std::lock_guard guard(inside.lock);
    inside.order.push_back(position);
    inside.failed |= outcome == TaskOutcome::kFailed;
    return inside.over() ? std::exchange(inside.waiter, WakeToken()) : WakeToken();
  }

  Inside& inside;
  const std::size_t position;
  const TaskRef task;
};

Completions::Inside::~Inside() {
  for (Hook& hook : hooks) state_of(hook.task.fiber()).end.remove(hook);
}

Completions::Completions(std::span<const TaskRef> tasks)
    : inside_(std::make_unique<Inside>(tasks.size())) {
  Inside& inside = *inside_;
  inside.needed = tasks.size() + 1;
  for (const TaskRef& task : tasks) {
    if (&task.fiber() == current_fiber()) {
      throw std::logic_error("weft: a task cannot wait for itself");
    }
    Inside::Hook& hook = inside.hooks.emplace_back(inside, inside.hooks.size(), task);
    if (!state_of(task.fiber()).end.add(hook)) hook.tell(task.outcome());
  }
}

void check_task(const TaskRef& task) {
  if (!task) {
    throw std::invalid_argument("weft: a Task that names no task, for it is empty or moved from");
  }
}

Completions::Completions(Completions&&) noexcept = default;
Completions& Completions::operator=(Completions&&) noexcept = default;
Completions::~Completions() = default;

bool Completions::wait(std::size_t count, Until until, std::int64_t deadline) {
  Inside& self = *inside_;
  for (bool suspended = false;; suspended = true) {
    const WakeToken token = current_token(WaitsFor::kTasks);
    if (suspended && take_cancellation()) throw Cancelled();
    self.lock.lock();
    self.needed = count;
    self.until = until;
    if (self.over()) {
      self.lock.unlock();
      return true;
    }
    if (!self.sleep(token, deadline)) return false;
  }
}

// Under the lock, which it leaves. False when the deadline has come and it is not over.
bool Completions::Inside::sleep(const WakeToken& self, std::int64_t deadline) {
  const auto let_go = [](void* held) noexcept { static_cast<Spinlock*>(held)->unlock(); };
  waiter = self;
  Wake reason = Wake::kNormal;
  try {
    reason = suspend_until(deadline, let_go, &lock);
  } catch (...) {  // no memory for a timer: nothing has been let go
    waiter = WakeToken();
    lock.unlock();
    throw;
  }
  if (reason == Wake::kNormal) return true;
  const std::lock_guard guard(lock);
  waiter = WakeToken();
  if (reason == Wake::kCancelled) throw Cancelled();
  return over();
}

std::size_t Completions::ended_at(std::size_t place) const noexcept {
  const std::lock_guard guard(inside_->lock);
  return inside_->order[place];
}

}  // namespace weft::detail
