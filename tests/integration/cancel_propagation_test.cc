// Goal: a cancellation goes where asyncio sends it: from who waits in get() to the task waited for,
// never from who only joins, and never out of a destructor that runs because of an exception.
// Method: as in cancel_test.cc, tasks pinned to one worker where the order of two steps decides.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::run_pinned;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;

// ---- Passing it on.

// Who waits for `about` goes on when the task that has set it sleeps in its next line.

TEST(CancelPropagation, OfAGetGoesOnToTheTask) {
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

TEST(CancelPropagation, OfAGetEndsAsTheTaskEnds) {
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

TEST(CancelPropagation, OfAGetIsPassedOnEachTime) {
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

// A request that the task waited for can no longer take up is not lost: it is the caller's own. A
// loop that gets one short task after the other could not be stopped otherwise.
TEST(CancelPropagation, OfAGetIsNotLostWhenTheTaskEndsInTheMeantime) {
  run_pinned([] {
    weft::Event about, go;
    weft::Task<int> inner = weft::spawn({.pinned = true}, [&] {
      go.wait();
      return 1;
    });
    weft::Task<void> outer = weft::spawn({.pinned = true}, [&] {
      about.set();
      inner.get();
      weft::yield();
    });
    about.wait();
    go.set();        // the task goes on first,
    outer.cancel();  // and has ended when the caller does
    EXPECT_THROW(outer.get(), weft::Cancelled);
  });
}

TEST(CancelPropagation, OfAGetIsNotLostWhenTheTaskDoesNotSuspendAgain) {
  run_pinned([] {
    weft::Task<void> outer;
    outer = weft::spawn({.pinned = true}, [&] {
      weft::spawn({.pinned = true}, [&] { outer.cancel(); }).get();
      weft::yield();
    });
    EXPECT_THROW(outer.get(), weft::Cancelled);
  });
}

TEST(CancelPropagation, OfAGetIsNotLostWhileTheTasksCapturesDie) {
  run_pinned([] {
    weft::Task<void> outer;
    outer = weft::spawn({.pinned = true}, [&] {
      struct Slow {
        explicit Slow(weft::Task<void>& task) : waiter(&task) {}
        Slow(Slow&& other) noexcept : waiter(std::exchange(other.waiter, nullptr)) {}
        ~Slow() {
          if (waiter == nullptr) return;
          waiter->cancel();
          for (int i = 0; i < 3; ++i) weft::yield();
        }
        weft::Task<void>* waiter;
      };
      weft::spawn({.pinned = true}, [slow = Slow(outer)] {}).get();
      weft::yield();
    });
    EXPECT_THROW(outer.get(), weft::Cancelled);
  });
}

TEST(CancelPropagation, StopsALoopOfGets) {
  weft::run([] {
    std::vector<weft::Task<void>> loops;
    for (int i = 0; i < 20; ++i) {
      loops.push_back(weft::spawn([] {
        for (;;) weft::spawn([] {}).get();
      }));
    }
    weft::sleep_for(2ms);
    for (weft::Task<void>& loop : loops) loop.cancel();
    const auto ended = [&] {
      for (weft::Task<void>& loop : loops) loop.join();
    };
    EXPECT_NO_THROW(weft::timeout(support::kGenerous, ended));
    // Whatever happened, the test ends.
    for (weft::Task<void>& loop : loops) {
      while (!loop.done()) {
        loop.cancel();
        weft::yield();
      }
    }
  });
}

TEST(CancelPropagation, GoesDownAChainOfGetsAndUpAgain) {
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

TEST(CancelPropagation, OfAJoinLeavesTheTaskAlone) {
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

TEST(CancelPropagation, OfAnotherTaskIsNotOnesOwn) {
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

TEST(CancelPropagation, IsNeverThrownOutOfADestructorThatUnwinds) {
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

TEST(CancelPropagation, ThatUnwindsIsNotOvertakenByAnother) {
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

TEST(CancelPropagation, InAHandlerIsThrownAsEver) {
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

// Destructors that the runtime itself calls, of what a task captured and returned.
TEST(CancelPropagation, IsNotThrownOutOfWhatATaskLeavesBehind) {
  weft::run([] {
    struct Waits {
      explicit Waits(std::atomic<int>& count) : alive(&count) { ++*alive; }
      Waits(Waits&& other) noexcept : alive(std::exchange(other.alive, nullptr)) {}
      ~Waits() {
        if (alive == nullptr) return;
        weft::yield();
        weft::sleep_for(100us);
        weft::spawn([] { weft::yield(); }).join();
        --*alive;
      }
      std::atomic<int>* alive;
    };
    std::atomic<int> alive{0};
    for (int round = 0; round < 20; ++round) {
      weft::Event begun;
      weft::Task<Waits> task = weft::spawn([&alive, &begun, captured = Waits(alive)] {
        begun.set();
        for (int i = 0; i < 5; ++i) weft::yield();
        return Waits(alive);
      });
      begun.wait();
      for (int i = 0; i < round; ++i) {
        task.cancel();
        weft::yield();
      }
      task.join();
      // The captures are gone; the result, which a task that was cancelled may have left as well,
      // is destroyed by whoever is last to leave it.
      task = {};
      for (int i = 0; alive != 0 && i < 10'000; ++i) weft::sleep_for(1ms);
      EXPECT_EQ(alive, 0);
    }
  });
}

}  // namespace
