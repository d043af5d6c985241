// Goal: a Runtime that goes takes all with it that it has started, whenever that was, and tells
// what nobody has read. Method: it is destroyed while tasks, jobs and callbacks are on their way.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <optional>
#include <stdexcept>
#include <thread>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Arrivals;
using support::LiveCount;
using support::scaled;
using support::sleep_forever;

TEST(RuntimeEnd, CancelsAndAwaitsWhatIsLeft) {
  LiveCount live;
  std::atomic<int> cancelled{0};
  weft::Task<void> handle;
  {
    weft::Runtime runtime;
    Arrivals begun(30);
    for (int i = 0; i < 30; ++i) {
      handle = runtime.post([&, token = live.token()] {
        begun.arrive();
        try {
          sleep_forever();
        } catch (const weft::Cancelled&) {
          weft::sleep_for(1ms);
          ++cancelled;
          throw;
        }
      });
    }
    begun.wait();
  }
  EXPECT_EQ(cancelled, 30);
  EXPECT_EQ(live.alive(), 0);
  EXPECT_TRUE(handle.cancelled());
}

// A job of the blocking pool may outlast the tasks, and wait for one that it starts then.
TEST(RuntimeEnd, CancelsWhatJobsStartLateAndWaitFor) {
  for (const unsigned workers : {1U, 2U}) {
    std::atomic<bool> begun{false}, cancelled{false};
    {
      weft::Runtime runtime(weft::Options{.workers = workers});
      runtime.post([&] {
        weft::to_thread([&] {
          begun = true;
          std::this_thread::sleep_for(50ms);
          try {
            runtime.post([] { weft::sleep_for(std::chrono::hours::max()); }).get();
          } catch (const weft::Cancelled&) {
            cancelled = true;
          }
        });
      });
      while (!begun) std::this_thread::sleep_for(1ms);
    }
    EXPECT_TRUE(cancelled);
  }
}

// The end cancels in rounds, and a round waits for all whom it has found: a callback among them,
// whose task was started too late to be, would keep it for ever.
TEST(RuntimeEnd, IsNotHeldUpByCallbacksOfTasksThatStartMeanwhile) {
  for (int i = 0; i < scaled(50); ++i) {
    std::atomic<bool> begun{false};
    weft::Runtime runtime(weft::Options{.workers = 2});
    for (int tasks = 0; tasks < 500; ++tasks) {
      runtime.post([] { weft::sleep_for(std::chrono::hours::max()); });
    }
    runtime.post([&] {
      for (int started = 0; started < 3'000; ++started) {
        weft::spawn([] {
          weft::sleep_for(std::chrono::hours::max());
        }).add_done_callback([](const weft::Task<void>&) {});
        begun = true;
      }
    });
    while (!begun) std::this_thread::yield();
  }
}

TEST(RuntimeEnd, ReportsWhatNobodyRead) {
  support::LostExceptionLog log;
  {
    weft::Runtime runtime(weft::Options{.on_lost_exception = log.handler()});
    weft::Event dropped, failed;
    runtime.post([&] {
      dropped.wait();  // the handle: a thread that drops the last one reports to standard error
      failed.set();
      throw std::runtime_error("posted");
    });
    dropped.set();
    failed.wait();
  }
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(support::text_of(log.entries()[0].exception), "posted");
}

// A runtime may end the moment it has told a thread of its last task.
TEST(RuntimeEnd, MayComeAtOnceAfterAThreadWasServed) {
  for (int round = 0; round < scaled(100); ++round) {
    weft::Event from_fiber;
    std::optional<weft::Runtime> runtime(std::in_place);
    weft::Task<int> task = runtime->post([&] {
      from_fiber.set();
      return round;
    });
    if (round % 2 == 0) {
      from_fiber.wait();
    } else {
      EXPECT_EQ(task.get(), round);
    }
    runtime.reset();
    EXPECT_TRUE(task.done());
  }
}

}  // namespace
