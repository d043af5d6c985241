// Goal: asyncio's timeout: what leaves a scope when its time is up, when others cancel, when both
// happen, and that nothing stays behind. Method: bodies that would never end by themselves, and
// scopes that have expired before they begin; measured times are checked strictly from below.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Clock;
using support::kGenerous;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;

static_assert(std::is_base_of_v<std::exception, weft::TimeoutError>);

/// Nothing of a scope, or of any cancellation, is left in the running task.
void expect_untouched() {
  EXPECT_EQ(weft::this_task::cancelling(), 0u);
  EXPECT_FALSE(weft::this_task::cancel_requested());
  EXPECT_FALSE(throws_cancelled([] { weft::yield(); }));
}

// ---- In time.

TEST(Timeout, ReturnsWhatTheBodyReturns) {
  weft::run([] {
    EXPECT_EQ(weft::timeout(1h, [] { return 5; }), 5);
    static_assert(std::is_void_v<decltype(weft::timeout(1h, [] {}))>);
    weft::timeout(1h, [] { weft::yield(); });
    EXPECT_EQ(*weft::timeout(1h, [] { return std::make_unique<int>(6); }), 6);
    int number = 7;
    int& same = weft::timeout(1h, [&]() -> int& { return number; });
    EXPECT_EQ(&same, &number);
    EXPECT_EQ(weft::timeout(1h, [](weft::TimeoutScope& scope) { return scope.expired(); }), false);
    expect_untouched();
  });
}

TEST(Timeout, RunsTheBodyInTheSameTask) {
  weft::run([] {
    EXPECT_EQ(weft::timeout(1h, [] { return weft::this_task::id(); }), weft::this_task::id());
  });
}

TEST(Timeout, LetsOtherExceptionsPass) {
  weft::run([] {
    EXPECT_THROW(weft::timeout(1h, [] { throw std::runtime_error("in time"); }),
                 std::runtime_error);
    EXPECT_THROW(weft::timeout(1ms,
                               [] {
                                 sleep_until_cancelled();
                                 throw std::runtime_error("too late");
                               }),
                 std::runtime_error);
    expect_untouched();
  });
}

TEST(Timeout, LetsACancelledThatIsNotItsOwnPass) {
  weft::run([] {
    EXPECT_THROW(weft::timeout(1h, [] { throw weft::Cancelled(); }), weft::Cancelled);
    weft::Task<void> cancelled = weft::spawn(sleep_forever);
    cancelled.cancel();
    EXPECT_THROW(weft::timeout(1h, [&] { cancelled.get(); }), weft::Cancelled);
    expect_untouched();
  });
}

// ---- Expiry.

TEST(Timeout, ThrowsTimeoutErrorWhenTheTimeIsUpAndNotBefore) {
  weft::run([] {
    for (const auto span : {1ms, 5ms, 20ms}) {
      const Clock::time_point start = Clock::now();
      EXPECT_THROW(weft::timeout(span, sleep_forever), weft::TimeoutError);
      EXPECT_GE(Clock::now() - start, span);
      EXPECT_LT(Clock::now() - start, kGenerous);
      expect_untouched();
    }
  });
}

TEST(Timeout, WaitsForTheBodyToEnd) {
  weft::run([] {
    bool cleaned_up = false;
    const Clock::time_point start = Clock::now();
    EXPECT_THROW(weft::timeout(2ms,
                               [&] {
                                 try {
                                   sleep_forever();
                                 } catch (const weft::Cancelled&) {
                                   weft::sleep_for(10ms);
                                   cleaned_up = true;
                                   throw;
                                 }
                               }),
                 weft::TimeoutError);
    EXPECT_TRUE(cleaned_up);
    EXPECT_GE(Clock::now() - start, 12ms);
  });
}

TEST(Timeout, ReturnsAValueThatComesInSpiteOfTheCancel) {
  weft::run([] {
    const int value = weft::timeout(1ms, [](weft::TimeoutScope& scope) {
      sleep_until_cancelled();
      EXPECT_TRUE(scope.expired());
      weft::yield();
      return 8;
    });
    EXPECT_EQ(value, 8);
    expect_untouched();
  });
}

TEST(Timeout, EndsEveryKindOfWait) {
  weft::run([] {
    weft::Event never;
    EXPECT_THROW(weft::timeout(1ms, [&] { never.wait(); }), weft::TimeoutError);
    EXPECT_THROW(weft::timeout(1ms,
                               [] {
                                 for (;;) weft::yield();
                               }),
                 weft::TimeoutError);
    EXPECT_THROW(weft::timeout(1ms,
                               [] {
                                 const Clock::time_point give_up = Clock::now() + kGenerous;
                                 while (Clock::now() < give_up) weft::spawn([] {}).get();
                               }),
                 weft::TimeoutError);
    weft::Mutex mutex;
    mutex.lock();
    EXPECT_THROW(weft::timeout(1ms, [&] { mutex.lock(); }), weft::TimeoutError);
    mutex.unlock();
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
    expect_untouched();
  });
}

TEST(Timeout, OfAGetCancelsTheTaskAndOfAJoinDoesNot) {
  weft::run([] {
    weft::Event go;
    weft::Task<void> joined = weft::spawn([&] { go.wait(); });
    EXPECT_THROW(weft::timeout(1ms, [&] { joined.join(); }), weft::TimeoutError);
    EXPECT_EQ(joined.cancelling(), 0u);
    go.set();
    joined.get();
    weft::Task<void> got = weft::spawn(sleep_forever);
    EXPECT_THROW(weft::timeout(1ms, [&] { got.get(); }), weft::TimeoutError);
    EXPECT_TRUE(got.cancelled());
  });
}

TEST(Timeout, OfAGatherEndsAllChildrenFirst) {
  weft::run([] {
    std::atomic<int> running{0};
    const auto child = [&] {
      ++running;
      sleep_until_cancelled();
      weft::sleep_for(2ms);
      --running;
    };
    EXPECT_THROW(weft::timeout(5ms, [&] { weft::gather(child, child, child); }),
                 weft::TimeoutError);
    EXPECT_EQ(running, 0);
  });
}

TEST(Timeout, OfManyTasksAtOnceEndsEachInItsTime) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < support::scaled(1000); ++i) {
      tasks.push_back(weft::spawn([span = std::chrono::microseconds(i * 37 % 10'000)] {
        const Clock::time_point start = Clock::now();
        EXPECT_THROW(weft::timeout(span, sleep_forever), weft::TimeoutError);
        EXPECT_GE(Clock::now() - start, span);
        expect_untouched();
      }));
    }
    weft::gather(tasks);
  });
}

// ---- Zero, negative, endless.

TEST(Timeout, OfNoTimeCancelsAtTheFirstSuspension) {
  weft::run([] {
    for (const auto span : {0ns, -1ns, -3'600'000'000'000ns, std::chrono::nanoseconds::min()}) {
      int steps = 0;
      EXPECT_THROW(weft::timeout(span,
                                 [&] {
                                   ++steps;
                                   weft::yield();
                                   ++steps;
                                 }),
                   weft::TimeoutError);
      EXPECT_EQ(steps, 1);
      expect_untouched();
    }
  });
}

TEST(Timeout, OfNoTimeLetsABodyBeThatNeverSuspends) {
  weft::run([] {
    EXPECT_EQ(weft::timeout(0s, [] { return 9; }), 9);
    expect_untouched();
    EXPECT_EQ(weft::timeout(0s, [] { return weft::timeout(0s, [] { return 10; }); }), 10);
    expect_untouched();
  });
}

TEST(Timeout, ThatIsHugeNeverExpires) {
  weft::run([] {
    const auto body = [](weft::TimeoutScope& scope) {
      weft::sleep_for(1ms);
      return scope.expired() ? std::optional<Clock::time_point>() : scope.when();
    };
    EXPECT_EQ(weft::timeout(std::chrono::hours::max(), body), std::nullopt);
    EXPECT_EQ(weft::timeout(std::chrono::nanoseconds::max(), body), std::nullopt);
    EXPECT_EQ(weft::timeout(std::chrono::duration<double>(1e300), body), std::nullopt);
    EXPECT_EQ(
        weft::timeout(std::chrono::duration<double>(std::numeric_limits<double>::infinity()), body),
        std::nullopt);
    EXPECT_EQ(weft::timeout_at(Clock::time_point::max(), body), std::nullopt);
    const Clock::time_point start = Clock::now();
    EXPECT_GE(weft::timeout(std::chrono::hours(24 * 365 * 200), body).value(), start);
  });
}

TEST(Timeout, AtAMomentLastsUntilThen) {
  weft::run([] {
    const Clock::time_point moment = Clock::now() + 3ms;
    EXPECT_THROW(weft::timeout_at(moment,
                                  [&](weft::TimeoutScope& scope) {
                                    EXPECT_EQ(scope.when(), moment);
                                    sleep_forever();
                                  }),
                 weft::TimeoutError);
    EXPECT_GE(Clock::now(), moment);
    EXPECT_EQ(weft::timeout_at(Clock::now() + 1h, [] { return 1; }), 1);
  });
}

TEST(Timeout, AtAMomentThatHasPassedCancelsAtTheFirstSuspension) {
  weft::run([] {
    for (const Clock::time_point moment :
         {Clock::now() - 1ms, Clock::time_point(), Clock::time_point::min()}) {
      EXPECT_THROW(weft::timeout_at(moment, [] { weft::yield(); }), weft::TimeoutError);
      expect_untouched();
    }
  });
}

// ---- Moving the limit.

TEST(Timeout, CanBePutOff) {
  weft::run([] {
    const Clock::time_point start = Clock::now();
    EXPECT_THROW(weft::timeout(1h,
                               [&](weft::TimeoutScope& scope) {
                                 const Clock::time_point earlier = start + 4ms;
                                 scope.reschedule(earlier);
                                 EXPECT_EQ(scope.when(), earlier);
                                 sleep_forever();
                               }),
                 weft::TimeoutError);
    EXPECT_GE(Clock::now() - start, 4ms);
  });
}

// Long enough that the body has begun before the first limit, however busy the machine is.
constexpr auto kFirstLimit = 200ms;

TEST(Timeout, ForgetsALimitThatWasPutOff) {
  weft::run([] {
    weft::timeout(kFirstLimit, [](weft::TimeoutScope& scope) {
      scope.reschedule(Clock::now() + 1h);
      weft::sleep_for(kFirstLimit);
      EXPECT_FALSE(scope.expired());
    });
    expect_untouched();
  });
}

TEST(Timeout, CanBeLifted) {
  weft::run([] {
    weft::timeout(kFirstLimit, [](weft::TimeoutScope& scope) {
      EXPECT_NE(scope.when(), std::nullopt);
      scope.reschedule(std::nullopt);
      EXPECT_EQ(scope.when(), std::nullopt);
      weft::sleep_for(kFirstLimit);
      EXPECT_FALSE(scope.expired());
    });
    expect_untouched();
  });
}

TEST(Timeout, MovedIntoThePastExpiresAtOnce) {
  weft::run([] {
    EXPECT_THROW(weft::timeout(1h,
                               [](weft::TimeoutScope& scope) {
                                 scope.reschedule(Clock::now() - 1ms);
                                 weft::yield();
                               }),
                 weft::TimeoutError);
    expect_untouched();
  });
}

TEST(Timeout, ThatHasExpiredCannotBeMoved) {
  weft::run([] {
    weft::timeout(1ms, [](weft::TimeoutScope& scope) {
      sleep_until_cancelled();
      EXPECT_TRUE(scope.expired());
      EXPECT_THROW(scope.reschedule(Clock::now() + 1h), std::logic_error);
      EXPECT_THROW(scope.reschedule(std::nullopt), std::logic_error);
    });
  });
}

// ---- Around to_thread.

TEST(Timeout, AroundToThreadLeavesTheCallToItself) {
  weft::run([] {
    weft::Event go, ended;
    const auto text = std::make_shared<std::string>(100, 'o');
    EXPECT_THROW(weft::timeout(2ms,
                               [&] {
                                 const std::string own = *text;
                                 weft::to_thread([&go, &ended, own] {
                                   go.wait();
                                   EXPECT_EQ(own, std::string(100, 'o'));
                                   ended.set();
                                 });
                               }),
                 weft::TimeoutError);
    EXPECT_FALSE(ended.is_set());
    go.set();
    ended.wait();
    EXPECT_EQ(weft::timeout(1h, [] { return weft::to_thread([] { return 4; }); }), 4);
  });
}

}  // namespace
