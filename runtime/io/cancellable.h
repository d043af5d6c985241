#pragma once

#include <exception>

#include "fiber/fiber.h"
#include "sched/wait.h"

namespace weft::detail {

/// Whether a time limit may end a wait of the running fiber by a cancellation. Where it may not,
/// while an exception unwinds or in a destructor that the runtime calls, whoever must not wait for
/// ever looks now and then.
inline bool may_be_cancelled() noexcept {
  const Fiber* const self = current_fiber();
  return self != nullptr && self->masks == 0 && std::uncaught_exceptions() == 0;
}

}  // namespace weft::detail
