// Goal: an unpark is never lost, whether it comes before, during or after the way to sleep, and the
// waker reaches the sleeper where it sleeps. Method: one parker, threads that sleep in it, and a
// driver that says who polls and who interrupts.

#include "sched/parker.h"

#include <gtest/gtest.h>

#include <thread>

#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/fake_driver.h"
#include "support/process_state.h"
#include "support/watchdog.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

constexpr Nanos kMillisecond = 1'000'000;
constexpr unsigned kWorker = 5;

class ParkerTest : public testing::Test {
 protected:
  // A park that must not sleep: what hangs here is ended by the watchdog.
  void parks_without_sleeping() {
    support::Watchdog watchdog("a park that has its token", std::chrono::seconds(20));
    parker_.park(kNever);
  }
  void unpark() { parker_.unpark(driver_, kWorker); }

  Parker parker_;
  support::FakeDriver driver_;
  std::vector<Ready> ready_;
};

TEST_F(ParkerTest, UnparkBeforeParkIsNotLost) {
  unpark();
  parks_without_sleeping();
  EXPECT_EQ(driver_.interrupts(), 0u) << "nobody slept in the driver";
}

TEST_F(ParkerTest, ManyUnparksCountAsOne) {
  unpark();
  unpark();
  unpark();
  parks_without_sleeping();
  const Nanos deadline = now() + 5 * kMillisecond;
  parker_.park(deadline);
  EXPECT_GE(now(), deadline) << "a second token";
}

TEST_F(ParkerTest, DeadlineEndsTheSleep) {
  const Nanos deadline = now() + 5 * kMillisecond;
  parker_.park(deadline);
  EXPECT_GE(now(), deadline);
  const Nanos before = now();
  parker_.park(before - kMillisecond);
  EXPECT_LT(now() - before, 5'000 * kMillisecond);
}

TEST_F(ParkerTest, UnparkAfterADeadlineIsForTheNextPark) {
  parker_.park(now());
  unpark();
  parks_without_sleeping();
}

TEST_F(ParkerTest, UnparkWakesWhoSleepsOnTheFutex) {
  Atomic<int> id{0};
  Atomic<bool> awake{false};
  std::thread sleeper([&] {
    id = support::thread_id();
    parker_.park(kNever);
    awake = true;
  });
  ASSERT_TRUE(support::eventually([&] { return id != 0 && support::thread_sleeps(id); }));
  EXPECT_FALSE(awake);
  unpark();
  EXPECT_TRUE(support::eventually([&] { return awake.load(); }));
  EXPECT_EQ(driver_.interrupts(), 0u) << "a futex is woken by a futex";
  sleeper.join();
  const Nanos deadline = now() + 5 * kMillisecond;
  parker_.park(deadline);
  EXPECT_GE(now(), deadline) << "that token was used up";
}

// ---- In the driver.

TEST_F(ParkerTest, DriverIsPolledUntilTheDeadline) {
  const Nanos deadline = now() + 5 * kMillisecond;
  parker_.park(driver_, kWorker, deadline, ready_);
  EXPECT_GE(now(), deadline);
  EXPECT_EQ(driver_.polls(), 1u);
  EXPECT_EQ(driver_.last_deadline(), deadline);
  EXPECT_TRUE(ready_.empty());
}

TEST_F(ParkerTest, DriverReportsWhatIsReady) {
  Fiber fiber;
  driver_.post({{&fiber, 17}, Wake::kClosed});
  parker_.park(driver_, kWorker, kNever, ready_);
  ASSERT_EQ(ready_.size(), 1u);
  EXPECT_EQ(ready_[0].token.fiber, &fiber);
  EXPECT_EQ(ready_[0].token.epoch, 17u);
  EXPECT_EQ(ready_[0].reason, Wake::kClosed);
}

TEST_F(ParkerTest, UnparkBeforeTheDriverIsPolledKeepsItFromSleeping) {
  unpark();
  parker_.park(driver_, kWorker, kNever, ready_);
  EXPECT_EQ(driver_.polls(), 1u) << "a look costs little, now that we are here";
  EXPECT_EQ(driver_.last_deadline(), 0);
  EXPECT_EQ(driver_.interrupts(), 0u);
}

TEST_F(ParkerTest, UnparkInterruptsWhoSleepsInTheDriver) {
  Atomic<bool> awake{false};
  std::thread sleeper([&] {
    parker_.park(driver_, kWorker, kNever, ready_);
    awake = true;
  });
  ASSERT_TRUE(support::eventually([&] { return driver_.sleeping(); }));
  EXPECT_FALSE(awake);
  unpark();
  EXPECT_TRUE(support::eventually([&] { return awake.load(); }));
  sleeper.join();
  EXPECT_EQ(driver_.interrupts(), 1u);
  EXPECT_EQ(driver_.last_interrupted(), kWorker);
}

TEST_F(ParkerTest, OnlyTheFirstOfManyUnparksInterrupts) {
  Atomic<bool> go_on{false};
  std::thread sleeper([&] {
    parker_.park(driver_, kWorker, kNever, ready_);
    while (!go_on) std::this_thread::yield();
    parker_.park(now() + kMillisecond);
  });
  ASSERT_TRUE(support::eventually([&] { return driver_.sleeping(); }));
  for (int i = 0; i < 10; ++i) unpark();
  EXPECT_LE(driver_.interrupts(), 2u) << "a call into the kernel for each would cost the waker";
  EXPECT_GE(driver_.interrupts(), 1u);
  go_on = true;
  sleeper.join();
}

TEST_F(ParkerTest, EventThatEndsTheSleepLeavesNoTokenBehind) {
  driver_.post({});
  parker_.park(driver_, kWorker, kNever, ready_);
  const Nanos deadline = now() + 5 * kMillisecond;
  parker_.park(deadline);
  EXPECT_GE(now(), deadline);
}

// ---- Races.

// Two threads wake each other in turn, by a way that changes every time. A lost token hangs it.
TEST_F(ParkerTest, TwoThreadsThatWakeEachOtherNeverMissOne) {
  const int rounds = support::scaled(20'000);
  Parker other;
  Atomic<int> turn{0};
  support::Watchdog watchdog("two parked threads", std::chrono::seconds(20),
                             [&] { return "in turn " + std::to_string(turn.load()); });
  std::thread partner([&] {
    for (int i = 0; i < rounds; ++i) {
      while (turn.load() != 2 * i + 1) other.park(kNever);
      turn.store(2 * i + 2);
      unpark();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    turn.store(2 * i + 1);
    other.unpark(driver_, 0);
    while (turn.load() != 2 * i + 2) {
      if (i % 2 == 0) {
        parker_.park(kNever);
      } else {
        parker_.park(driver_, kWorker, kNever, ready_);
      }
    }
    if (i % 512 == 0) watchdog.progress();
  }
  partner.join();
}

}  // namespace
}  // namespace weft::detail
