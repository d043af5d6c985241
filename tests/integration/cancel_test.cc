// Goal: cancellation as asyncio has it: one Cancelled a request, thrown at a suspension point and
// nowhere else, and countable. Method: where the order of two steps decides, both tasks are pinned
// to one worker, so that nothing happens between two suspensions; everywhere else any worker may
// run anything.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::run_pinned;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;

static_assert(!std::is_base_of_v<std::exception, weft::Cancelled>);

// ---- Before the first run.

TEST(Cancel, BeforeTheFirstRunTheBodyNeverRuns) {
  run_pinned([] {
    LiveCount live;
    bool ran = false;
    weft::Task<int> task = weft::spawn({.pinned = true}, [&ran, token = live.token()] {
      ran = true;
      return 1;
    });
    EXPECT_TRUE(task.cancel());
    EXPECT_FALSE(task.done());
    task.join();
    EXPECT_FALSE(ran);
    EXPECT_EQ(live.alive(), 0) << "the captures outlived the task";
    EXPECT_TRUE(task.cancelled());
    EXPECT_THROW(task.get(), weft::Cancelled);
    EXPECT_NE(task.exception(), nullptr);
  });
}

TEST(Cancel, TakenBackBeforeTheFirstRunTheBodyRuns) {
  run_pinned([] {
    weft::Task<int> task = weft::spawn({.pinned = true}, [] {
      weft::yield();
      return 2;
    });
    EXPECT_TRUE(task.cancel());
    EXPECT_EQ(task.cancelling(), 1u);
    EXPECT_EQ(task.uncancel(), 0u);
    EXPECT_EQ(task.get(), 2);
  });
}

// ---- At a suspension point.

void cancel_while(const std::function<void(weft::Event& reached)>& wait) {
  weft::run([&] {
    weft::Event reached;
    weft::Task<bool> task = weft::spawn([&] { return throws_cancelled([&] { wait(reached); }); });
    reached.wait();
    EXPECT_TRUE(task.cancel());
    EXPECT_TRUE(task.get());
    EXPECT_FALSE(task.cancelled());
    EXPECT_EQ(task.cancelling(), 1u);
  });
}

TEST(Cancel, EndsASleep) {
  cancel_while([](weft::Event& reached) {
    reached.set();
    sleep_forever();
  });
}

TEST(Cancel, EndsALoopOfYields) {
  cancel_while([](weft::Event& reached) {
    for (;;) {
      reached.set();
      weft::yield();
    }
  });
}

TEST(Cancel, EndsAWaitForAnEvent) {
  cancel_while([](weft::Event& reached) {
    weft::Event never;
    reached.set();
    never.wait();
  });
}

TEST(Cancel, EndsAWaitForAMutex) {
  cancel_while([](weft::Event& reached) {
    weft::Mutex mutex;
    const std::lock_guard lock(mutex);
    reached.set();
    mutex.lock();  // by the same task: it would wait for ever
  });
}

TEST(Cancel, EndsAJoin) {
  cancel_while([](weft::Event& reached) {
    weft::Task<void> other = weft::spawn(sleep_forever);
    reached.set();
    other.join();
  });
}

TEST(Cancel, EndsATimeoutThatHasTimeLeft) {
  cancel_while([](weft::Event& reached) {
    reached.set();
    weft::timeout(1h, sleep_forever);
  });
}

TEST(Cancel, WaitsForTheNextSuspensionWhileTheTaskRuns) {
  run_pinned([] {
    weft::Task<int> task;
    task = weft::spawn({.pinned = true}, [&task] {
      EXPECT_FALSE(weft::this_task::cancel_requested());
      EXPECT_TRUE(task.cancel());
      EXPECT_TRUE(weft::this_task::cancel_requested());
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      EXPECT_TRUE(throws_cancelled([] { weft::yield(); }));
      EXPECT_FALSE(weft::this_task::cancel_requested());
      weft::yield();  // once is enough
      return 3;
    });
    EXPECT_EQ(task.get(), 3);
  });
}

TEST(Cancel, ThatMeetsNoSuspensionShowsAtTheEnd) {
  run_pinned([] {
    weft::Task<int> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      return 4;
    });
    task.join();
    EXPECT_TRUE(task.cancelled());
    EXPECT_THROW(task.get(), weft::Cancelled);
    // What it throws says more than that.
    task = weft::spawn({.pinned = true}, [&task]() -> int {
      task.cancel();
      throw std::runtime_error("says more");
    });
    EXPECT_THROW(task.get(), std::runtime_error);
    EXPECT_FALSE(task.cancelled());
  });
}

TEST(Cancel, WorksFromThreadsToo) {
  weft::run([] {
    weft::Event reached;
    weft::Task<void> task = weft::spawn([&] {
      reached.set();
      sleep_forever();
    });
    reached.wait();
    weft::to_thread([&] { EXPECT_TRUE(task.cancel()); });
    EXPECT_THROW(task.get(), weft::Cancelled);
  });
}

TEST(Cancel, OfAnEndedTaskIsRefused) {
  weft::run([] {
    weft::Task<int> task = weft::spawn([] { return 5; });
    task.join();
    EXPECT_FALSE(task.cancel());
    EXPECT_EQ(task.cancelling(), 0u);
    EXPECT_EQ(task.get(), 5);
  });
}

// ---- What the task makes of it.

TEST(Cancel, ThatIsSwallowedIsANormalResult) {
  weft::run([] {
    weft::Event reached;
    weft::Task<std::string> task = weft::spawn([&] {
      reached.set();
      sleep_until_cancelled();
      weft::yield();
      return std::string("went on");
    });
    reached.wait();
    task.cancel();
    EXPECT_EQ(task.get(), "went on");
    EXPECT_FALSE(task.cancelled());
    EXPECT_EQ(task.exception(), nullptr);
  });
}

TEST(Cancel, MayBecomeAnotherException) {
  weft::run([] {
    weft::Event reached;
    weft::Task<void> task = weft::spawn([&] {
      reached.set();
      sleep_until_cancelled();
      throw std::runtime_error("instead");
    });
    reached.wait();
    task.cancel();
    EXPECT_THROW(task.get(), std::runtime_error);
    EXPECT_FALSE(task.cancelled());
  });
}

TEST(Cancel, IsNotCaughtAsAStdException) {
  weft::run([] {
    weft::Event reached;
    weft::Task<void> task = weft::spawn([&] {
      try {
        reached.set();
        sleep_forever();
      } catch (const std::exception&) {
        ADD_FAILURE() << "Cancelled is a std::exception";
      }
    });
    reached.wait();
    task.cancel();
    EXPECT_THROW(task.get(), weft::Cancelled);
    EXPECT_TRUE(task.cancelled());
  });
}

TEST(Cancel, EachRequestThrowsOnce) {
  weft::run([] {
    weft::Event first, second, go;
    int caught = 0;
    weft::Task<void> task = weft::spawn([&] {
      first.set();
      caught += throws_cancelled(sleep_forever) ? 1 : 0;
      weft::sleep_for(1ms);
      second.set();
      caught += throws_cancelled(sleep_forever) ? 1 : 0;
      go.wait();
    });
    first.wait();
    task.cancel();
    second.wait();
    EXPECT_EQ(task.cancelling(), 1u);
    task.cancel();
    go.set();
    task.get();
    EXPECT_EQ(caught, 2);
    EXPECT_EQ(task.cancelling(), 2u);
  });
}

TEST(Cancel, TwoRequestsBeforeTheTaskRunsAreOneException) {
  run_pinned([] {
    weft::Event started;
    weft::Task<int> task = weft::spawn({.pinned = true}, [&] {
      started.set();
      const int caught = throws_cancelled(sleep_forever) ? 1 : 0;
      return caught + (throws_cancelled([] { weft::yield(); }) ? 1 : 0);
    });
    started.wait();
    weft::yield();
    EXPECT_TRUE(task.cancel());
    EXPECT_TRUE(task.cancel());
    EXPECT_EQ(task.get(), 1);
    EXPECT_EQ(task.cancelling(), 2u);
  });
}

TEST(Uncancel, AtZeroDropsAPendingDelivery) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      EXPECT_EQ(weft::this_task::uncancel(), 0u) << "not below zero";
      task.cancel();
      task.cancel();
      EXPECT_EQ(weft::this_task::uncancel(), 1u);
      EXPECT_TRUE(weft::this_task::cancel_requested()) << "one request is left";
      EXPECT_EQ(weft::this_task::uncancel(), 0u);
      EXPECT_FALSE(weft::this_task::cancel_requested());
      EXPECT_FALSE(throws_cancelled([] { weft::yield(); }));
      EXPECT_EQ(weft::this_task::uncancel(), 0u);
      // From zero it counts anew.
      task.cancel();
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      EXPECT_TRUE(throws_cancelled([] { weft::yield(); }));
    });
    task.get();
  });
}

TEST(Uncancel, DoesNotTakeBackWhatWasThrown) {
  weft::run([] {
    weft::Event reached;
    weft::Task<unsigned> task = weft::spawn([&] {
      reached.set();
      sleep_until_cancelled();
      return weft::this_task::uncancel();
    });
    reached.wait();
    task.cancel();
    EXPECT_EQ(task.get(), 0u);
    EXPECT_EQ(task.cancelling(), 0u);
  });
}

}  // namespace
