// Goal: a timer for which there is no memory is a std::bad_alloc for the caller, who has lost
// nothing.

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <optional>
#include <vector>

#include "faults/bounded.h"
#include "faults/fail_each.h"
#include "faults/injector.h"

namespace weft {
namespace {

using faults::bounded;
using faults::Call;
using faults::fail_each;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::Where;

TEST(Allocations, OfTimers) {
  bounded(1, [] {
    fail_each([] {
      std::vector<Task<void>> tasks(200);
      for (Task<void>& task : tasks) {
        task = spawn([] {
          timeout(std::chrono::seconds(5), [] { sleep_for(std::chrono::microseconds(100)); });
        });
      }
      std::exception_ptr failure;
      for (Task<void>& task : tasks) {
        task.join();
        if (task.exception() != nullptr) failure = task.exception();
      }
      if (failure != nullptr) std::rethrow_exception(failure);
    });
  });
}

// However full the queue of timers is.
TEST(Allocations, OfALimitThatIsMoved) {
  bounded(1, [] {
    std::vector<Task<void>> others;
    bool failed = false;
    for (int i = 0; i < 300; ++i) {
      timeout(std::chrono::hours(2), [&](TimeoutScope& scope) {
        scope.reschedule(std::nullopt);
        others.push_back(spawn([] { sleep_for(std::chrono::hours(1)); }));
        yield();
        const auto moment = std::chrono::steady_clock::now() + std::chrono::hours(1);
        bool refused = false;
        {
          const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways},
                                    Where::kWorkers);
          try {
            scope.reschedule(moment);
          } catch (const std::bad_alloc&) {
            refused = true;
          }
        }
        EXPECT_EQ(scope.when().has_value(), !refused);
        failed |= refused;
      });
    }
    EXPECT_TRUE(failed) << "else nothing was tried";
    for (Task<void>& task : others) task.cancel();
    for (Task<void>& task : others) task.join();
  });
}

}  // namespace
}  // namespace weft
