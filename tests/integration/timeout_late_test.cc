// Goal: a limit is kept although its timer is armed only when the task first gives way: whatever
// happens to the scopes before that, in whatever order. Method: scopes in every state around each
// other; a body that never gives way and asks.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <functional>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Clock;
using support::kGenerous;
using support::sleep_forever;

// Calls `body` inside `depth` scopes.
void nested(int depth, const std::function<void()>& body) {
  if (depth == 0) return body();
  weft::timeout(1h, [&] { nested(depth - 1, body); });
}

TEST(LateTimeout, ThatNeverWaitedLeavesNothing) {
  weft::run([] {
    int calls = 0;
    for (int i = 0; i < 1000; ++i) nested(i % 12, [&] { ++calls; });
    EXPECT_EQ(calls, 1000);
    EXPECT_THROW(weft::timeout(1ms, sleep_forever), weft::TimeoutError);
    weft::sleep_for(1ms);
    EXPECT_EQ(weft::this_task::cancelling(), 0U);
  });
}

// More than a timer queue has room for at first.
TEST(LateTimeout, OfManyAtOnceAreArmedTogether) {
  // Without optimisation a scope takes some nine frames.
  weft::run(weft::Options{.stack_size = 4 << 20}, [] {
    bool waited = false;
    EXPECT_THROW(weft::timeout(2ms,
                               [&] {
                                 nested(200, [&] {
                                   waited = true;
                                   sleep_forever();
                                 });
                               }),
                 weft::TimeoutError);
    EXPECT_TRUE(waited);
  });
}

TEST(LateTimeout, WaitsInsideAndNotInsideTakeTurns) {
  weft::run([] {
    for (int waits = 0; waits < 32; ++waits) {
      const auto wait = [&](int level) {
        if ((waits >> level & 1) != 0) weft::yield();
      };
      const auto expires = [&] {
        weft::timeout(1ms, [&] {
          wait(0);
          weft::timeout(1h, [&] {
            wait(1);
            weft::timeout(1h, [&] { wait(2); });
            wait(3);
          });
          weft::timeout(1h, [&] { wait(4); });
          sleep_forever();
        });
      };
      EXPECT_THROW(weft::timeout(1h, expires), weft::TimeoutError) << waits;
    }
  });
}

// Which of the two was armed makes no difference, nor which is moved.
TEST(LateTimeout, IsMovedFromInsideAnother) {
  weft::run([] {
    for (int waits = 0; waits < 4; ++waits) {
      bool inside_expired = false;
      const auto move_the_outer = [&](weft::TimeoutScope& outer) {
        if ((waits & 1) != 0) weft::yield();
        weft::timeout(1h, [&](weft::TimeoutScope& inner) {
          if ((waits & 2) != 0) weft::yield();
          outer.reschedule(Clock::now() + 2ms);
          weft::timeout(1h, [] {});
          inner.reschedule(Clock::now() + 1h);
          weft::timeout(1h, [] { weft::yield(); });
          try {
            sleep_forever();
          } catch (const weft::Cancelled&) {
            inside_expired = inner.expired();
            throw;
          }
        });
      };
      EXPECT_THROW(weft::timeout(1h, move_the_outer), weft::TimeoutError) << waits;
      EXPECT_FALSE(inside_expired);
    }
  });
}

TEST(LateTimeout, IsLiftedBeforeAnybodyWaited) {
  weft::run([] {
    weft::timeout(1ms, [](weft::TimeoutScope& scope) {
      scope.reschedule(std::nullopt);
      weft::sleep_for(5ms);
    });
  });
}

TEST(LateTimeout, PassesWhileTheBodyComputesAndIsToldWhenItWaits) {
  weft::run([] {
    EXPECT_THROW(weft::timeout(2ms,
                               [] {
                                 const Clock::time_point end = Clock::now() + 5ms;
                                 while (Clock::now() < end) {
                                 }
                                 sleep_forever();
                               }),
                 weft::TimeoutError);
  });
}

// Of a body that computes another worker looks after the timers.
TEST(LateTimeout, IsSeenByABodyThatAsksAndNeverWaits) {
  weft::run(weft::Options{.workers = 2}, [] {
    for (const auto& asks :
         {std::function<bool(weft::TimeoutScope&)>(
              [](weft::TimeoutScope&) { return weft::this_task::cancel_requested(); }),
          std::function<bool(weft::TimeoutScope&)>(
              [](weft::TimeoutScope&) { return weft::this_task::cancelling() > 0; }),
          std::function<bool(weft::TimeoutScope&)>(&weft::TimeoutScope::expired)}) {
      weft::timeout(2ms, [&](weft::TimeoutScope& scope) {
        const Clock::time_point give_up = Clock::now() + kGenerous;
        while (!asks(scope) && Clock::now() < give_up) {
        }
        EXPECT_TRUE(asks(scope));
      });
    }
  });
}

// A child that runs within its parent's wait has limits of its own.
TEST(LateTimeout, OfAParentAndOfItsChildDoNotMeet) {
  weft::run(weft::Options{.workers = 1}, [] {
    for (int waits = 0; waits < 4; ++waits) {
      const auto child = [&] {
        weft::timeout(1h, [&] {
          if ((waits & 1) != 0) weft::yield();
        });
      };
      weft::timeout(1h, [&] {
        weft::Task<void> task = weft::spawn(child);
        weft::timeout(1h, [&] { task.get(); });
        if ((waits & 2) != 0) weft::yield();
      });
      EXPECT_THROW(weft::timeout(1ms,
                                 [&] {
                                   weft::Task<void> task = weft::spawn(child);
                                   task.get();
                                   sleep_forever();
                                 }),
                   weft::TimeoutError);
    }
  });
}

}  // namespace
