#pragma once

// What Options::debug tells, on standard error.

#include "base/time.h"
#include "fiber/fiber.h"

namespace weft::detail {

class Scheduler;

/// That a fiber has kept its worker for so long.
void report_slow_fiber(const Fiber& fiber, Nanos stuck) noexcept;

/// The tasks that have not ended, when their runtime does.
void report_pending_tasks(const Scheduler& scheduler) noexcept;

/// Called when nothing has moved for a while: tells of every task what it waits for, if nothing
/// that the runtime knows of can wake any, be it a timer, a descriptor, or a job of the blocking
/// pool. True if it has told, which is once a runtime: where threads of the program's own wake
/// tasks, this may be its usual rest.
bool report_if_stuck(Scheduler& scheduler) noexcept;

}  // namespace weft::detail
