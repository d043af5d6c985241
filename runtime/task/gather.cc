#include <weft/gather.h>

#include <memory>
#include <mutex>
#include <optional>

#include <weft/error.h>
#include "task/task_state.h"

// One waiter, many children. Each child carries a hook into the waiter's frame. The hooks of
// children that still run are removed before the frame goes; a hook that is being told holds its
// child's lock, so removing waits for it.

namespace weft::detail {

namespace {

struct GatherWait {
  Spinlock lock;
  // All under lock.
  std::size_t remaining = 0;
  const CompletionHook* first_failure = nullptr;
  bool stop_at_failure = false;
  WakeToken waiter;

  bool over() const noexcept {
    return remaining == 0 || (stop_at_failure && first_failure != nullptr);
  }
};

struct GatherHook : CompletionHook {
  GatherHook() noexcept : CompletionHook(&GatherHook::told) {}

  static WakeToken told(CompletionHook& hook, TaskOutcome outcome) noexcept {
    GatherWait& wait = *static_cast<GatherHook&>(hook).wait;
    std::lock_guard guard(wait.lock);
    const bool was_over = wait.over();
    --wait.remaining;
    if (outcome != TaskOutcome::kValue && wait.first_failure == nullptr) wait.first_failure = &hook;
    return wait.over() && !was_over ? wait.waiter : WakeToken();
  }

  GatherWait* wait = nullptr;
  TaskState* child = nullptr;
};

constexpr std::size_t kFew = 12;

// Hooks for more children than the frame has room for. The children run already, and without hooks
// nobody would wait for them.
std::unique_ptr<GatherHook[]> make_many(std::span<const TaskRef> tasks) {
  if (tasks.size() <= kFew) return nullptr;
  try {
    return std::make_unique<GatherHook[]>(tasks.size());
  } catch (const std::bad_alloc&) {
    cancel_and_wait(tasks);
    throw;
  }
}

class Hooks {
 public:
  Hooks(std::span<const TaskRef> tasks, bool return_exceptions)
      : count_(tasks.size()), many_(make_many(tasks)) {
    wait_.remaining = count_;
    wait_.stop_at_failure = !return_exceptions;
    for (std::size_t i = 0; i < count_; ++i) {
      GatherHook& hook = at(i);
      hook.wait = &wait_;
      hook.child = &state_of(tasks[i].fiber());
      if (!hook.child->end.add(hook)) GatherHook::told(hook, tasks[i].outcome());
    }
  }
  ~Hooks() {
    {
      // Under the lock: at zero the last child has done with this frame.
      std::lock_guard guard(wait_.lock);
      if (wait_.remaining == 0) return;
    }
    for (std::size_t i = 0; i < count_; ++i) at(i).child->end.remove(at(i));
  }
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  /// One wait. kNormal: it is over; or nothing had to be waited for.
  Wake wait() {
    const WakeToken self = current_token();
    wait_.lock.lock();
    if (wait_.over()) {
      wait_.lock.unlock();
      return Wake::kNormal;
    }
    wait_.waiter = self;
    return suspend([](void* lock) noexcept { static_cast<Spinlock*>(lock)->unlock(); },
                   &wait_.lock);
  }

  void wait_for_all_regardless() {
    std::lock_guard guard(wait_.lock);
    wait_.stop_at_failure = false;
  }
  bool over() {
    std::lock_guard guard(wait_.lock);
    return wait_.over();
  }

  /// The child that failed first.
  std::optional<std::size_t> first_failure() {
    std::lock_guard guard(wait_.lock);
    if (wait_.first_failure == nullptr) return std::nullopt;
    return static_cast<const GatherHook*>(wait_.first_failure) - &at(0);
  }

 private:
  GatherHook& at(std::size_t index) noexcept { return many_ ? many_[index] : few_[index]; }

  const std::size_t count_;
  GatherWait wait_;
  GatherHook few_[kFew];
  std::unique_ptr<GatherHook[]> many_;
};

void cancel_all(std::span<const TaskRef> tasks) noexcept {
  for (const TaskRef& task : tasks) task.cancel();
}

}  // namespace

void gather_tasks(std::span<const TaskRef> tasks, bool return_exceptions) {
  if (tasks.empty()) return;
  if (!return_exceptions) {
    for (const TaskRef& task : tasks) task.mark_read();
  }
  Hooks hooks(tasks, return_exceptions);
  bool cancelled = false;
  bool suspended = false;
  while (!hooks.over()) {
    suspended = true;
    if (hooks.wait() != Wake::kCancelled) continue;
    // Again at each request: a child may have caught the first.
    cancelled = true;
    hooks.wait_for_all_regardless();
    cancel_all(tasks);
    // What they throw now nobody else will see.
    for (const TaskRef& task : tasks) task.mark_read();
  }
  if (cancelled || (suspended && take_cancellation())) throw Cancelled();
  if (return_exceptions) return;
  if (const auto failed = hooks.first_failure()) tasks[*failed].rethrow();
}

void cancel_and_wait(std::span<const TaskRef> tasks) noexcept {
  cancel_all(tasks);
  for (const TaskRef& task : tasks) {
    task.mark_read();
    while (task.outcome() == TaskOutcome::kPending) {
      try {
        task.join();
      } catch (const Cancelled&) {
        // The exception that brought the caller here says more.
      }
    }
  }
}

}  // namespace weft::detail
