// Goal: without memory for a stack a task fails and nothing else does; without guards tasks run all
// the same. Method: mmap and its like are refused, from the beginning or for a while.

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <vector>

#include "faults/bounded.h"
#include "faults/injector.h"
#include "support/live_count.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::bounded;
using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::Where;

constexpr std::size_t kOtherClass = std::size_t{1} << 20;

TEST(Stacks, TaskWithoutOneFailsAndTheOthersRun) {
  for (const unsigned workers : {1U, 2U}) {
    bounded(workers, [] {
      LiveCount captured;
      Event go;
      int sum = 0;
      Task<void> before = spawn([&] {
        go.wait();
        ++sum;
      });
      yield();
      {
        const Injection injection(Fault{.call = Call::kMap, .error = ENOMEM, .times = kAlways});
        Task<int> starved =
            spawn({.stack_size = kOtherClass}, [token = captured.token()] { return 1; });
        EXPECT_THROW(starved.get(), StackAllocationError);
        EXPECT_GT(Injection::hits(), 1U) << "smaller pieces are asked for, too";
        EXPECT_EQ(captured.alive(), 0);
        // As a child, and where nobody has asked for the error yet.
        EXPECT_THROW(gather(spawn({.stack_size = kOtherClass}, [] {}), [] {}),
                     StackAllocationError);
      }
      go.set();
      before.get();
      EXPECT_EQ(sum, 1);
      EXPECT_EQ(spawn({.stack_size = kOtherClass}, [] { return 2; }).get(), 2);
    });
  }
}

TEST(Stacks, MainWithoutOneFails) {
  Runtime runtime(Options{.workers = 1});
  {
    const Injection injection(Fault{.call = Call::kMap, .error = ENOMEM, .times = kAlways});
    EXPECT_THROW(runtime.run([] {}), StackAllocationError);
  }
  EXPECT_EQ(runtime.run([] { return 3; }), 3);
}

TEST(Stacks, ComeWithoutGuardsIfNeedBe) {
  const auto unguarded = [](const std::vector<Fault>& plan) {
    const Injection injection(plan, Where::kAnyThread, 0);
    std::size_t count = 0;
    bounded(1, [&] {
      std::vector<Task<void>> tasks(20);
      for (Task<void>& task : tasks) task = spawn([] { yield(); });
      for (Task<void>& task : tasks) task.get();
      count = metrics().stacks_unguarded;
    });
    return count;
  };
  const Fault no_advice{.call = Call::kAdvise, .error = EINVAL, .times = kAlways};
  const Fault no_protection{.call = Call::kProtect, .error = ENOMEM, .times = kAlways};
  EXPECT_EQ(unguarded({no_advice}), 0U) << "mprotect takes its place";
  EXPECT_GE(unguarded({no_advice, no_protection}), 20U);
}

TEST(Stacks, AreGivenBackWhereTheKernelRefusesToTakeThem) {
  const Injection injection(Fault{.call = Call::kAdvise, .error = EINVAL, .times = kAlways});
  bounded(2, [] {
    std::vector<Task<void>> tasks(300);
    for (Task<void>& task : tasks) task = spawn([] { yield(); });
    for (Task<void>& task : tasks) task.get();
    sleep_for(std::chrono::milliseconds(300));  // long enough to trim
  });
}

}  // namespace
}  // namespace weft
