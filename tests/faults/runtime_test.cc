// Goal: a runtime that cannot be made says why and leaves nothing; what the kernel refuses to one
// that runs is made up for, or told to the fiber that asked. Method: each step of the making fails
// on its own, and each allocation, until there is none left to fail.

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <optional>
#include <vector>

#include "faults/injector.h"
#include "support/live_count.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/watchdog.h"

namespace weft {
namespace {

using namespace support;
using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr unsigned kWorkers = 3;

// The first test of this program: what the process has but once is not there yet.
TEST(FirstTask, CanSayThatThereIsNoMemory) {
  if (!faults::kFailsNew) GTEST_SKIP();
  Runtime runtime(Options{.workers = 1});
  {
    const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways});
    EXPECT_THROW(runtime.post([] {}), std::bad_alloc);
  }
  EXPECT_EQ(runtime.run([] { return 3; }), 3);
}

class RuntimeFaults : public testing::Test {
 protected:
  RuntimeFaults()
      : watchdog_(testing::UnitTest::GetInstance()->current_test_info()->name(),
                  std::chrono::seconds(30)) {
    // What the process has but once is there before anything is counted.
    work_in_a_new_runtime();
    before_ = process_counts();
  }
  ~RuntimeFaults() override {
    const ProcessCounts after = process_counts();
    EXPECT_EQ(after.threads, before_.threads);
    EXPECT_EQ(after.descriptors, before_.descriptors);
    // Threads leave arenas and cached stacks behind, though not one each time; sanitizers more.
    if (!kSanitized) {
      EXPECT_LE(after.mappings, before_.mappings + 40);
    }
  }

  static void work() {
    Connected pair = connect_pair();
    gather([&] { pair.client.write_all("some work"); },
           [&] {
             std::string text(9, '?');
             pair.server.read_exactly(bytes_of(text));
             EXPECT_EQ(text, "some work");
           },
           [] { sleep_for(std::chrono::microseconds(200)); },
           [] { EXPECT_EQ(to_thread([] { return 7; }), 7); });
  }
  static void work_in_a_new_runtime() { run(Options{.workers = kWorkers}, work); }

  Watchdog watchdog_;
  ProcessCounts before_;
};

// ---- Making one.

struct Step {
  Fault fault;
  const char* named;
};

TEST_F(RuntimeFaults, EachStepOfItsMakingMayFail) {
  std::vector<Step> steps = {
      {{.call = Call::kEpollCreate, .error = EMFILE}, "epoll_create1"},
      {{.call = Call::kEpollCreate, .error = ENOMEM}, "epoll_create1"},
      {{.call = Call::kEventfd, .error = EMFILE}, "eventfd"},
      {{.call = Call::kEventfd, .error = ENFILE}, "eventfd"},
      {{.call = Call::kEpollControl, .error = ENOSPC}, "epoll_ctl"},
  };
  for (unsigned thread = 0; thread <= kWorkers; ++thread) {
    steps.push_back({{.call = Call::kThread, .error = EAGAIN, .skip = thread}, "thread"});
  }
  for (const Step& step : steps) {
    SCOPED_TRACE(describe(step.fault) + " number " + std::to_string(step.fault.skip));
    {
      const Injection injection(step.fault);
      try {
        work_in_a_new_runtime();
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), step.fault.error);
        EXPECT_THAT(error.what(), HasSubstr(step.named));
        EXPECT_THAT(error.what(), HasSubstr("weft"));
      }
    }
    work_in_a_new_runtime();
  }
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

TEST_F(RuntimeFaults, EachAllocationOfItsLifeMayFail) {
  if (!faults::kFailsNew) GTEST_SKIP();
  fail_each_allocation(Call::kNew);
}
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

// ---- What a kernel or a filter may refuse.

class Refused : public RuntimeFaults, public testing::WithParamInterface<Fault> {};

TEST_P(Refused, IsMadeUpFor) {
  Fault fault = GetParam();
  fault.times = kAlways;
  const Injection injection(fault);
  work_in_a_new_runtime();
  EXPECT_GT(Injection::hits(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Calls, Refused,
                         testing::Values(Fault{.call = Call::kEpollWait, .error = ENOSYS},
                                         Fault{.call = Call::kEpollWait, .error = EPERM},
                                         Fault{.call = Call::kBarrier, .error = EPERM},
                                         Fault{.call = Call::kBarrier, .error = ENOSYS},
                                         Fault{.call = Call::kSignalStack, .error = ENOMEM}));

TEST_F(RuntimeFaults, SleepsThatAreInterruptedGoOn) {
  const Fault plan[] = {
      {.call = Call::kFutexWait, .error = EINTR, .times = kAlways, .one_in = 2},
      {.call = Call::kEpollWait, .error = EINTR, .times = kAlways, .one_in = 2},
  };
  const Injection injection(plan, faults::Where::kAnyThread, 1);
  for (int i = 0; i < 10; ++i) {
    work_in_a_new_runtime();
    run(Options{.workers = kWorkers}, [] { sleep_for(milliseconds(3)); });
  }
  EXPECT_GT(Injection::hits(0), 0U);
  EXPECT_GT(Injection::hits(1), 0U);
}

// ---- The blocking pool.

TEST_F(RuntimeFaults, ThreadThatCannotBeStartedIsToldToWhoAsked) {
  run(Options{.workers = kWorkers}, [] {
    const Injection injection(Fault{.call = Call::kThread, .error = EAGAIN});
    try {
      to_thread([] { ADD_FAILURE() << "ran without a thread"; });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), EAGAIN);
      EXPECT_THAT(error.what(), HasSubstr("thread of the blocking pool"));
    }
    EXPECT_EQ(to_thread([] { return 7; }), 7);
  });
}

TEST_F(RuntimeFaults, CallWaitsForAThreadThatThereIs) {
  run(Options{.workers = kWorkers}, [] {
    std::promise<void> go;
    std::atomic<bool> begun{false};
    const Task<void> first = spawn([&] {
      to_thread([&] {
        begun = true;
        go.get_future().wait();
      });
    });
    until([&] { return begun.load(); });
    to_thread([] {});  // by a second thread, which is free now
    const Injection injection(Fault{.call = Call::kThread, .error = EAGAIN, .times = kAlways});
    std::vector<Task<int>> others;
    others.reserve(10);
    for (int i = 0; i < 10; ++i)
      others.push_back(spawn([i] { return to_thread([i] { return i; }); }));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(others[static_cast<std::size_t>(i)].get(), i);
    go.set_value();
    first.join();
  });
}

}  // namespace
}  // namespace weft
