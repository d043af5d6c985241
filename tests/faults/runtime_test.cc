// Goal: a runtime that cannot be made says why and leaves nothing; what the kernel refuses to one
// that runs is made up for, or told to the fiber that asked. Method: each step of the making fails
// on its own; what may be refused is refused for good.

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <vector>

#include "faults/injector.h"
#include "faults/runtime_faults.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::kWorkers;
using faults::RuntimeFaults;
using std::chrono::milliseconds;
using testing::HasSubstr;

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

// Clang links AddressSanitizer's calls with the rest, and it cannot do without a stack it asked
// for.
extern "C" const char* __asan_default_options() { return "use_sigaltstack=0"; }  // NOLINT
