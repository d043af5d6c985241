#pragma once

#include <weft/event.h>

#include "fiber/fiber.h"

namespace weft::detail {

/// Waits that reports are to call by another name.
struct EventAccess {
  static void wait(Event& event, WaitsFor what);
};

}  // namespace weft::detail
