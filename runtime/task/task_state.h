#pragma once

// What the task layer keeps of a task, in its fiber's descriptor.
//
// Two lives end at different times. The body (callable and result) lives until the task has ended
// and its last handle has gone; the later of the two destroys it. The descriptor lives until both
// the fiber has left its stack and the body is gone: see Life in fiber/fiber.h. User code (the
// destructors of callables and results) therefore runs on the task's own stack or on that of
// whoever drops the last handle, never in the middle of a switch.

#include <exception>
#include <new>

#include <weft/detail/task_core.h>
#include "fiber/fiber.h"
#include "task/task_end.h"

namespace weft::detail {

class ContextMap;

struct TaskState {
  TaskEnd end;
  // Whoever takes it to zero detaches the task. The release of each drop pairs with the acquire of
  // the last. [handles]
  Atomic<std::uint32_t> handles{1};
  Atomic<bool> error_read{false};
  std::uint8_t upkeep = 0;  // see Upkeep
  Body* body = nullptr;
  std::exception_ptr error;   // written before the end
  std::byte* heap = nullptr;  // owned: the body's room, when it does not fit into the descriptor
  ContextMap* context = nullptr;  // the task's own, until it has run; one handle to it

  bool ended() const noexcept { return end.ended(); }
};

inline constexpr std::size_t kBodyOffset = (sizeof(TaskState) + 15) / 16 * 16;
static_assert(kBodyOffset + NewTask::kInlineBody == Fiber::kLocalSize);

inline TaskState& state_of(Fiber& fiber) noexcept {
  return *std::launder(reinterpret_cast<TaskState*>(fiber.local));
}

/// Asks the fiber to stop, wherever it is. By whoever knows that it is alive.
WaitWord::Noted request_cancel(Fiber& fiber) noexcept;

}  // namespace weft::detail
