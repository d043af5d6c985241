// Goal: cancellation as asyncio has it: one Cancelled a request, thrown at a suspension point and
// nowhere else, never out of a destructor that runs because of an exception, and countable. Method:
// where the order of two steps decides, both tasks are pinned to one worker, so that nothing
// happens between two suspensions; everywhere else any worker may run anything.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;

/// Runs `main` pinned: what it spawns pinned starts only when it suspends.
template <class F>
void run_pinned(F main) {
  weft::run([&] {
    const weft::PinScope pin;
    main();
  });
}

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
    weft::Task<bool> task =
        weft::spawn([&] { return throws_cancelled([&] { wait(reached); }); });
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
    mutex.lock();
    weft::Task<void> other = weft::spawn([&] { throws_cancelled(sleep_forever); });
    reached.set();
    const bool cancelled = throws_cancelled([&] { mutex.lock(); });
    mutex.unlock();
    other.cancel();
    EXPECT_FALSE(throws_cancelled([&] { other.get(); }));
    if (cancelled) throw weft::Cancelled();
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

TEST(Cancel, ThatMeetsNoSuspensionChangesNothing) {
  run_pinned([] {
    weft::Task<int> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      return 4;
    });
    EXPECT_EQ(task.get(), 4);
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

// ---- Passing it on.

// Everything here is pinned to one worker: who waits for `about` goes on when the task that has set
// it sleeps in the next line.

TEST(Cancel, OfAGetGoesOnToTheTask) {
  run_pinned([] {
    weft::Event about;
    weft::Task<void> inner = weft::spawn({.pinned = true}, sleep_forever);
    weft::Task<void> outer = weft::spawn({.pinned = true}, [&] {
      about.set();
      inner.get();
    });
    about.wait();
    outer.cancel();
    EXPECT_THROW(outer.get(), weft::Cancelled);
    EXPECT_TRUE(outer.cancelled());
    EXPECT_TRUE(inner.cancelled());
    EXPECT_EQ(inner.cancelling(), 1u);
  });
}

TEST(Cancel, OfAGetEndsAsTheTaskEnds) {
  run_pinned([] {
    weft::Event about;
    weft::Task<int> inner = weft::spawn({.pinned = true}, [] {
      sleep_until_cancelled();
      weft::sleep_for(1ms);
      return 6;
    });
    weft::Task<int> outer = weft::spawn({.pinned = true}, [&] {
      about.set();
      const int result = inner.get();
      weft::yield();  // nothing is left to be thrown
      return result;
    });
    about.wait();
    outer.cancel();
    EXPECT_EQ(outer.get(), 6);
    EXPECT_EQ(outer.cancelling(), 1u);
  });
}

TEST(Cancel, OfAGetIsPassedOnEachTime) {
  run_pinned([] {
    weft::Event about, once;
    weft::Task<int> inner = weft::spawn({.pinned = true}, [&] {
      sleep_until_cancelled();
      once.set();
      sleep_until_cancelled();
      return 7;
    });
    weft::Task<int> outer = weft::spawn({.pinned = true}, [&] {
      about.set();
      return inner.get();
    });
    about.wait();
    outer.cancel();
    once.wait();
    EXPECT_FALSE(outer.done());
    outer.cancel();
    EXPECT_EQ(outer.get(), 7);
    EXPECT_EQ(inner.cancelling(), 2u);
  });
}

TEST(Cancel, GoesDownAChainOfGetsAndUpAgain) {
  run_pinned([] {
    LiveCount live;
    weft::Event about;
    weft::Task<void> task = weft::spawn({.pinned = true}, [&] {
      about.set();
      sleep_forever();
    });
    for (int i = 0; i < 20; ++i) {
      task = weft::spawn({.pinned = true},
                         [inner = task, token = live.token()]() mutable { inner.get(); });
    }
    about.wait();
    for (int i = 0; i < 3; ++i) weft::yield();
    task.cancel();
    EXPECT_THROW(task.get(), weft::Cancelled);
    EXPECT_EQ(live.alive(), 0);
  });
}

TEST(Cancel, OfAJoinLeavesTheTaskAlone) {
  run_pinned([] {
    weft::Event about, go;
    weft::Task<int> inner = weft::spawn({.pinned = true}, [&] {
      go.wait();
      return 8;
    });
    weft::Task<void> outer = weft::spawn({.pinned = true}, [&] {
      about.set();
      inner.join();
    });
    about.wait();
    outer.cancel();
    EXPECT_THROW(outer.get(), weft::Cancelled);
    EXPECT_FALSE(inner.done());
    EXPECT_EQ(inner.cancelling(), 0u);
    go.set();
    EXPECT_EQ(inner.get(), 8);
  });
}

TEST(Cancel, OfAnotherTaskIsNotOnesOwn) {
  run_pinned([] {
    weft::Task<void> other = weft::spawn({.pinned = true}, sleep_forever);
    weft::yield();
    other.cancel();
    EXPECT_THROW(other.get(), weft::Cancelled);
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
    EXPECT_FALSE(weft::this_task::cancel_requested());
  });
}

// ---- While an exception unwinds.

/// Runs `last_steps` when it is destroyed.
template <class F>
struct AtEnd {
  F last_steps;
  ~AtEnd() { last_steps(); }
};
template <class F>
AtEnd(F) -> AtEnd<F>;

TEST(Cancel, IsNeverThrownOutOfADestructorThatUnwinds) {
  weft::run([] {
    weft::Event unwinding, go;
    weft::Task<std::string> task = weft::spawn([&] {
      try {
        const AtEnd cleanup{[&] {
          unwinding.set();
          go.wait();
          // All of these would throw, were it not for the exception on its way.
          weft::yield();
          weft::sleep_for(1ms);
          weft::spawn([] { weft::yield(); }).join();
          EXPECT_EQ(weft::spawn([] { return 9; }).get(), 9);
          EXPECT_EQ(weft::to_thread([] { return 10; }), 10);
          EXPECT_TRUE(weft::this_task::cancel_requested());
        }};
        throw std::runtime_error("on its way");
      } catch (const std::runtime_error&) {
        EXPECT_TRUE(weft::this_task::cancel_requested());
        return std::string(throws_cancelled([] { weft::yield(); }) ? "delivered after" : "lost");
      }
    });
    unwinding.wait();
    EXPECT_TRUE(task.cancel());
    go.set();
    EXPECT_EQ(task.get(), "delivered after");
  });
}

TEST(Cancel, ThatUnwindsIsNotOvertakenByAnother) {
  weft::run([] {
    weft::Event reached, unwinding, go;
    bool cleaned_up = false;
    weft::Task<void> task = weft::spawn([&] {
      const AtEnd cleanup{[&] {
        unwinding.set();
        go.wait();
        weft::yield();
        cleaned_up = true;
      }};
      reached.set();
      sleep_forever();
    });
    reached.wait();
    task.cancel();
    unwinding.wait();
    task.cancel();
    EXPECT_EQ(task.cancelling(), 2u);
    go.set();
    EXPECT_THROW(task.get(), weft::Cancelled);
    EXPECT_TRUE(cleaned_up);
  });
}

TEST(Cancel, InAHandlerIsThrownAsEver) {
  weft::run([] {
    weft::Event reached;
    weft::Task<bool> task = weft::spawn([&] {
      try {
        throw std::runtime_error("being handled");
      } catch (const std::runtime_error& error) {
        reached.set();
        const bool cancelled = throws_cancelled(sleep_forever);
        EXPECT_STREQ(error.what(), "being handled");
        return cancelled;
      }
    });
    reached.wait();
    task.cancel();
    EXPECT_TRUE(task.get());
  });
}

}  // namespace
