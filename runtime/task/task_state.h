#pragma once

// What the task layer keeps of a task, in its fiber's descriptor.
//
// Two lives end at different times. The body (callable and result) lives until the last handle
// goes; the task itself holds one while it runs. The descriptor lives until both the fiber has left
// its stack and the body is gone: see Life in fiber/fiber.h. User code (the destructors of
// callables and results) therefore runs on the task's own stack or on that of whoever drops the
// last handle, never in the middle of a switch.

#include <exception>
#include <new>

#include <weft/detail/task_core.h>
#include "base/list.h"
#include "base/spinlock.h"
#include "fiber/fiber.h"
#include "sched/wait.h"

namespace weft::detail {

/// Told when a task ends. Lives in the frame of whoever waits, which removes it before it leaves.
struct CompletionHook : ListNode<> {
  /// Called once, under the task's lock: notes what is to be noted, and returns whom to wake (no
  /// fiber: nobody).
  using Notify = WakeToken (*)(CompletionHook&, TaskOutcome) noexcept;
  explicit CompletionHook(Notify notify_function) noexcept : notify(notify_function) {}
  const Notify notify;
};

struct TaskState {
  // Handles, and one for the task itself until it has ended. Whoever takes it to zero destroys the
  // body: the release of each drop pairs with the acquire of the last. [handles]
  Atomic<std::uint32_t> handles{2};
  // Written once, by the task, under lock_; its release publishes result and error. [outcome]
  Atomic<TaskOutcome> outcome{TaskOutcome::kPending};
  Atomic<bool> error_read{false};
  Spinlock lock;
  List<CompletionHook> hooks;  // under lock
  Body* body = nullptr;
  std::exception_ptr error;  // written before outcome
  void* heap = nullptr;      // owned: the body's room, when it does not fit into the descriptor
  char* name = nullptr;      // owned

  bool ended() const noexcept {
    return outcome.load(std::memory_order_acquire) != TaskOutcome::kPending;
  }

  /// True if the hook will be told; false if the task has ended.
  bool add(CompletionHook& hook) noexcept;
  /// Afterwards the hook is not told any more, and nobody is in the middle of it.
  void remove(CompletionHook& hook) noexcept;
};

inline constexpr std::size_t kBodyOffset = (sizeof(TaskState) + 15) / 16 * 16;
inline constexpr std::size_t kInlineBody = Fiber::kLocalSize - kBodyOffset;

inline TaskState& state_of(Fiber& fiber) noexcept {
  return *std::launder(reinterpret_cast<TaskState*>(fiber.local));
}

/// Asks the fiber to stop, wherever it is. By whoever knows that it is alive.
void request_cancel(Fiber& fiber) noexcept;

}  // namespace weft::detail
