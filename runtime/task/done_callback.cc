#include <weft/done_callback.h>

#include <memory>
#include <new>

#include "task/task_state.h"

// A callback is a task that begins its life asleep. The hook on the other task's end wakes it, as
// it would a waiter, and so does whoever withdraws it.

namespace weft::detail {

struct CallbackPlace::Hook : CompletionHook {
  Hook() noexcept
      : CompletionHook([](CompletionHook& hook, TaskOutcome) noexcept {
          return static_cast<Hook&>(hook).callback;
        }) {}

  WakeToken callback;  // its task; set before the hook is shown
};

CallbackPlace::Hook& CallbackPlace::hook() noexcept {
  return *std::launder(reinterpret_cast<Hook*>(hook_));
}

CallbackPlace::CallbackPlace(const TaskRef& of) noexcept : task_(of) {
  static_assert(sizeof(Hook) <= sizeof(hook_) && alignof(Hook) <= 8);
  ::new (static_cast<void*>(hook_)) Hook;
}

CallbackPlace::~CallbackPlace() { std::destroy_at(&hook()); }

void CallbackPlace::await_end(NewTask& task, Body& body, std::uint8_t upkeep) noexcept {
  Fiber& fiber = task.fiber();
  const TaskRef handle = task.start_asleep(body, upkeep);
  hook().callback = {&fiber, fiber.word.current_epoch()};
  if (!state_of(task_.fiber()).end.add(hook())) wake(hook().callback);
}

bool CallbackPlace::withdraw() noexcept {
  // Who takes the hook off is the only one who knows of the task that sleeps.
  if (withdrawn_ || !state_of(task_.fiber()).end.remove(hook())) return false;
  withdrawn_ = true;
  wake(hook().callback);
  return true;
}

}  // namespace weft::detail
