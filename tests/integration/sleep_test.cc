// Goal: sleeping takes no less than was asked for, whatever the unit, ends early only by a
// cancellation, and keeps nobody else waiting. Method: measured times are checked strictly from
// below and only against hanging from above.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Clock;
using support::kGenerous;
using support::throws_cancelled;

template <class Span>
void expect_sleeps_at_least(Span span) {
  const Clock::time_point start = Clock::now();
  weft::sleep_for(span);
  const Clock::duration slept = Clock::now() - start;
  EXPECT_GE(slept, span);
  EXPECT_LT(slept, kGenerous);
}

TEST(Sleep, IsNeverTooShort) {
  weft::run([] {
    for (int i = 0; i < 20; ++i) {
      expect_sleeps_at_least(1ns);
      expect_sleeps_at_least(1us);
      expect_sleeps_at_least(std::chrono::microseconds(50 + i));
    }
    for (int i = 0; i < 5; ++i) expect_sleeps_at_least(1ms);
    expect_sleeps_at_least(15ms);
    expect_sleeps_at_least(std::chrono::duration<double>(0.0015));
    expect_sleeps_at_least(std::chrono::duration<float, std::milli>(1.25F));
    expect_sleeps_at_least(std::chrono::duration<int, std::ratio<1, 3000>>(7));
    expect_sleeps_at_least(std::chrono::duration<short, std::milli>(2));
  });
}

TEST(Sleep, IsNeverTooShortForOneOfMany) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    std::mt19937 random(1);
    for (int i = 0; i < support::scaled(2'000); ++i) {
      tasks.push_back(weft::spawn([span = std::chrono::microseconds(random() % 20'000)] {
        for (int round = 0; round < 3; ++round) expect_sleeps_at_least(span);
      }));
    }
    weft::gather(tasks);
  });
}

TEST(Sleep, UntilAMomentLastsUntilThen) {
  weft::run([] {
    for (const auto span : {0ms, 1ms, 10ms}) {
      const Clock::time_point moment = Clock::now() + span;
      weft::sleep_until(moment);
      EXPECT_GE(Clock::now(), moment);
    }
    const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(Clock::now() + 2ms);
    weft::sleep_until(rounded);
    EXPECT_GE(Clock::now(), rounded);
  });
}

TEST(Sleep, ForNoTimeOrLessReturns) {
  weft::run([] {
    weft::sleep_for(0s);
    weft::sleep_for(-1ns);
    weft::sleep_for(-1h);
    weft::sleep_for(std::chrono::nanoseconds::min());
    weft::sleep_for(std::chrono::hours::min());
    weft::sleep_for(std::chrono::duration<double>(-1e300));
    weft::sleep_until(Clock::now() - 1h);
    weft::sleep_until(Clock::time_point());
    weft::sleep_until(Clock::time_point::min());
  });
}

TEST(Sleep, ForNoTimeLetsOthersRunOnce) {
  std::string order;
  weft::run(weft::Options{.workers = 1, .fifo = true}, [&] {
    weft::Task<void> other = weft::spawn([&] {
      order += 'o';
      weft::sleep_for(-1s);
      order += 'O';
    });
    order += 'm';
    weft::sleep_for(0s);
    order += 'M';
    other.get();
  });
  EXPECT_EQ(order, "moMO");
}

TEST(Sleep, WithoutEndEndsWhenCancelled) {
  weft::run([] {
    const auto expect_endless = [](auto sleep) {
      weft::Event reached;
      weft::Task<bool> task = weft::spawn([&] {
        reached.set();
        return throws_cancelled(sleep);
      });
      reached.wait();
      EXPECT_THROW(weft::timeout(2ms, [&] { task.join(); }), weft::TimeoutError);
      task.cancel();
      EXPECT_TRUE(task.get());
    };
    expect_endless([] { weft::sleep_for(std::chrono::hours::max()); });
    expect_endless([] { weft::sleep_for(std::chrono::seconds::max()); });
    expect_endless([] { weft::sleep_for(std::chrono::nanoseconds::max()); });
    expect_endless([] { weft::sleep_for(std::chrono::hours(24 * 365 * 250)); });
    expect_endless([] { weft::sleep_for(std::chrono::duration<double>(1e30)); });
    expect_endless([] {
      weft::sleep_for(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
    });
    expect_endless([] { weft::sleep_until(Clock::time_point::max()); });
  });
}

TEST(Sleep, CancelledIsShort) {
  weft::run([] {
    const Clock::time_point start = Clock::now();
    weft::Event reached;
    weft::Task<void> task = weft::spawn([&] {
      reached.set();
      weft::sleep_for(1h);
    });
    reached.wait();
    task.cancel();
    EXPECT_THROW(task.get(), weft::Cancelled);
    EXPECT_LT(Clock::now() - start, kGenerous);
  });
}

TEST(Sleep, LastsItsTimeAfterOneThatWasCancelled) {
  weft::run([] {
    weft::Event reached;
    weft::Task<void> task = weft::spawn([&] {
      reached.set();
      EXPECT_TRUE(throws_cancelled([] { weft::sleep_for(1h); }));
      for (int i = 0; i < 3; ++i) expect_sleeps_at_least(3ms);
    });
    reached.wait();
    task.cancel();
    task.get();
  });
}

TEST(Sleep, EndsInTheOrderOfMomentsOnOneWorker) {
  std::string order;
  weft::run(weft::Options{.workers = 1}, [&] {
    const Clock::time_point start = Clock::now();
    std::vector<weft::Task<void>> tasks;
    for (const auto& [name, span] : {std::pair{'c', 6ms}, {'a', 2ms}, {'d', 8ms}, {'b', 4ms}}) {
      tasks.push_back(weft::spawn([&order, name = name, moment = start + 20ms + span] {
        weft::sleep_until(moment);
        order += name;
      }));
    }
    weft::gather(tasks);
  });
  EXPECT_EQ(order, "abcd");
}

TEST(Sleep, OfManyAtOnceTakesNoLongerThanOfOne) {
  weft::run([] {
    const Clock::time_point start = Clock::now();
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 1000; ++i) tasks.push_back(weft::spawn([] { weft::sleep_for(50ms); }));
    weft::gather(tasks);
    EXPECT_LT(Clock::now() - start, kGenerous);  // one after the other: 50 s
  });
}

TEST(Sleep, EndsAlthoughOthersAreAlwaysReady) {
  weft::run([] {
    std::atomic<bool> over{false};
    std::vector<weft::Task<void>> busy;
    for (int i = 0; i < 8; ++i) {
      busy.push_back(weft::spawn([&] {
        while (!over) weft::yield();
      }));
    }
    weft::timeout(kGenerous, [] { weft::sleep_for(5ms); });
    over = true;
    weft::gather(busy);
  });
}

// One worker is stuck in a fiber that computes, with the timers of others in its queue.
TEST(Sleep, IsNotHeldUpByAFiberThatComputes) {
  weft::run(weft::Options{.workers = 2}, [] {
    for (int round = 0; round < 10; ++round) {
      std::atomic<int> awake{0};
      support::Arrivals begun(8);
      std::vector<weft::Task<void>> sleepers;
      for (int i = 0; i < 8; ++i) {
        sleepers.push_back(weft::spawn([&] {
          begun.arrive();
          weft::sleep_for(1ms);
          ++awake;
        }));
      }
      begun.wait();
      const Clock::time_point give_up = Clock::now() + kGenerous;
      while (awake < 8 && Clock::now() < give_up) {
      }
      EXPECT_EQ(awake, 8);
      weft::gather(sleepers);
    }
  });
}

// Turns are counted and not times, so that a busy machine makes no difference.
TEST(Sleep, WaitsForFewOfTheOthersTurnsWhereTheyAreLong) {
  weft::run(weft::Options{.workers = 1}, [] {
    bool stop = false;
    std::vector<Clock::time_point> ends;
    const auto compute = [&] {
      for (;;) {
        if (stop) return;
        const Clock::time_point end = Clock::now() + 1ms;
        while (Clock::now() < end) {
        }
        ends.push_back(Clock::now());
        weft::yield();
      }
    };
    std::vector<weft::Task<void>> others;
    for (int i = 0; i < 3; ++i) others.push_back(weft::spawn(compute));
    weft::sleep_for(100ms);
    std::ptrdiff_t most = 0;
    for (int i = 0; i < 40; ++i) {
      const Clock::time_point due = Clock::now() + 2ms;
      weft::sleep_until(due);
      most = std::max(most, std::count_if(ends.begin(), ends.end(),
                                          [&](Clock::time_point end) { return end > due; }));
    }
    EXPECT_LE(most, 8);
    stop = true;
    weft::gather(others);
  });
}

TEST(Sleep, BlocksAPlainThread) {
  const Clock::time_point start = Clock::now();
  weft::sleep_for(5ms);
  EXPECT_GE(Clock::now() - start, 5ms);
  weft::sleep_until(start + 7ms);
  EXPECT_GE(Clock::now() - start, 7ms);
  weft::sleep_for(0s);
  weft::sleep_for(-1h);
  weft::yield();
}

}  // namespace
