#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <new>

#include "faults/injector.h"

namespace faults {

/// Runs `operation` in the one worker's fiber with its first allocation failing, then the second,
/// and so on. It throws std::bad_alloc or does what it should; `check` sees that nothing is lost.
inline void fail_each(
    Call call, const std::function<void()>& operation, const std::function<void()>& check = [] {}) {
  for (unsigned number = 0; number < 1000; ++number) {
    {
      const Injection injection(Fault{.call = call, .error = ENOMEM, .skip = number},
                                Where::kWorkers);
      try {
        operation();
      } catch (const std::bad_alloc&) {
        EXPECT_EQ(Injection::hits(), 1U);
      }
      if (Injection::hits() == 0) return;
    }
    check();
  }
  ADD_FAILURE() << "its allocations have no end";
}

inline void fail_each(
    const std::function<void()>& operation, const std::function<void()>& check = [] {}) {
  fail_each(Call::kNew, operation, check);
  fail_each(Call::kMalloc, operation, check);
}

}  // namespace faults
