#pragma once

#include <functional>

#include <weft/runtime.h>
#include "fiber/fiber.h"
#include "task/task_state.h"

namespace weft::detail {

/// A runtime's own handler; found through its scheduler's services.
struct LostExceptionHandler {
  std::function<void(const LostException&)> call;
};

/// Tells the runtime's handler (or standard error) of an exception that nobody has read. On the
/// task's stack or that of whoever drops its last handle.
void report_lost_exception(const Fiber& fiber, const std::exception_ptr& error) noexcept;
/// The same for what is no task's.
void report_lost_exception(const LostException& lost) noexcept;

/// "what()" of any exception, for people.
std::string describe(const std::exception_ptr& error);

}  // namespace weft::detail
