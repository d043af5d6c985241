#pragma once

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <chrono>
#include <functional>

#include "support/watchdog.h"

namespace faults {

/// Runs `body` in a runtime of its own; a test that hangs fails by its name.
inline void bounded(unsigned workers, const std::function<void()>& body) {
  const support::Watchdog watchdog(testing::UnitTest::GetInstance()->current_test_info()->name(),
                                   std::chrono::seconds(20));
  weft::run(weft::Options{.workers = workers}, body);
}

}  // namespace faults
