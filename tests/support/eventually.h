#pragma once

#include <sched.h>

#include <chrono>

namespace support {

/// Waits until `condition()` holds, for which others have to do something; false when they have not
/// within `limit`, which is far more than they need.
template <class Condition>
bool eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::sched_yield();
  }
  return true;
}

}  // namespace support
