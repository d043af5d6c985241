// Goal: a runtime for which there is no memory is a std::bad_alloc for who makes it, and leaves
// nothing; its end needs none. Method: each allocation of its life fails in turn, until it makes no
// more.

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <vector>

#include "faults/injector.h"
#include "faults/runtime_faults.h"
#include "support/live_count.h"

namespace weft {
namespace {

using namespace support;
using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::kWorkers;
using faults::RuntimeFaults;

// The first test of this program: what the process has but once is not there yet.
TEST(FirstTask, CanSayThatThereIsNoMemory) {
  Runtime runtime(Options{.workers = 1});
  {
    const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways});
    EXPECT_THROW(runtime.post([] {}), std::bad_alloc);
  }
  EXPECT_EQ(runtime.run([] { return 3; }), 3);
}

// Its life from end to end, each time with another allocation that fails, until none is left.
void live(LiveCount& captured) {
  Runtime runtime(Options{.workers = kWorkers});
  std::vector<Task<void>> tasks;
  tasks.reserve(20);
  for (int i = 0; i < 20; ++i) {
    tasks.push_back(runtime.post([token = captured.token()] { sleep_for(std::chrono::hours(1)); }));
    tasks.back().ref().mark_read();
  }
}

void fail_each_allocation(Call call) {
  unsigned failed = 0;
  for (unsigned number = 0;; ++number) {
    LiveCount captured;
    {
      const Injection injection(Fault{.call = call, .error = ENOMEM, .skip = number});
      try {
        live(captured);
      } catch (const std::bad_alloc&) {
        ++failed;
      }
    }
    ASSERT_EQ(captured.alive(), 0) << number;
    if (Injection::hits() == 0) break;
  }
  EXPECT_GT(failed, 0U);
}

TEST_F(RuntimeFaults, EachAllocationOfItsLifeMayFail) { fail_each_allocation(Call::kNew); }
TEST_F(RuntimeFaults, EachMallocOfItsLifeMayFail) { fail_each_allocation(Call::kMalloc); }

// The end needs no memory at all, with however many tasks.
TEST_F(RuntimeFaults, EndsWithoutMemory) {
  Event never;
  std::atomic<int> begun{0}, ended{0};
  std::optional<Runtime> runtime(std::in_place, Options{.workers = 2});
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 1000; ++i) {
    tasks.push_back(runtime->post([&] {
      ++begun;
      try {
        never.wait();
      } catch (const Cancelled&) {
        ++ended;
        throw;
      }
    }));
  }
  runtime->run([&] { until([&] { return begun == 1000; }); });
  const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways});
  runtime.reset();
  EXPECT_EQ(ended, 1000);
}

}  // namespace
}  // namespace weft
