// Goal: what has waited for long to be started is started out of its order, but of branches of a
// tree only a few at a time, and nobody waits for ever. Method: moments and descriptors made up
// here.

#include "sched/aging.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

namespace weft::detail {
namespace {

constexpr Nanos kMilli = 1'000'000;

class AgingTest : public testing::Test {
 protected:
  Fiber& make() {
    Fiber& fiber = fibers_.emplace_back();
    fiber.scheduler.store(reinterpret_cast<Scheduler*>(&fibers_));
    fiber.id.store(++last_id_);
    // Left by the one before.
    fiber.waits_for.store(WaitsFor::kDescriptor);
    return fiber;
  }
  // As many as may be at once, up to `most`.
  std::size_t start(Nanos now, std::size_t most = 1000) {
    std::size_t started = 0;
    while (started < most && aging_.may_start(now)) {
      aging_.opens(make());
      ++started;
    }
    return started;
  }

  Aging aging_;
  std::deque<Fiber> fibers_;
  std::uint64_t last_id_ = 0;
};

TEST_F(AgingTest, BeginsWhenSomeHaveWaitedEachTimeForLong) {
  EXPECT_FALSE(aging_.begins(0));
  EXPECT_FALSE(aging_.begins(99 * kMilli));
  EXPECT_TRUE(aging_.begins(100 * kMilli));
  EXPECT_FALSE(aging_.begins(101 * kMilli)) << "it is counted anew";
  aging_.rest();
  EXPECT_FALSE(aging_.begins(300 * kMilli)) << "there were none meanwhile";
  EXPECT_TRUE(aging_.begins(400 * kMilli));
}

TEST_F(AgingTest, OfThoseThatRunOrWaitForTasksOnlyAFewAreOpen) {
  EXPECT_EQ(start(kMilli), Aging::kMostOpen);
  fibers_[0].waits_for.store(WaitsFor::kTask);
  fibers_[1].waits_for.store(WaitsFor::kTasks);
  EXPECT_EQ(start(2 * kMilli), 0U);
}

TEST_F(AgingTest, WhereTheyStayOpenOneMoreGoesEverMoreRarely) {
  start(0);
  std::vector<Nanos> moments;
  for (Nanos now = 0; moments.size() < 12; now += 50 * kMilli) {
    if (start(now) > 0) moments.push_back(now / kMilli);
    ASSERT_LT(now, 100'000 * kMilli) << "and not never";
  }
  EXPECT_EQ(moments, (std::vector<Nanos>{100, 300, 700, 1500, 3100, 6300, 12700, 22700, 32700,
                                         42700, 52700, 62700}));
}

TEST_F(AgingTest, WhatHasEndedOrWaitsForSomethingElseNoLongerCounts) {
  start(kMilli);
  fibers_[0].scheduler.store(nullptr);
  fibers_[1].id.store(++last_id_);  // the descriptor is another's
  fibers_[2].waits_for.store(WaitsFor::kDescriptor);
  fibers_[3].waits_for.store(WaitsFor::kSleep);
  EXPECT_EQ(start(2 * kMilli), 4U);
  EXPECT_EQ(start(3 * kMilli), 0U);
}

TEST_F(AgingTest, WhatWaitsForTasksAgainCountsAgain) {
  start(kMilli);
  fibers_[0].waits_for.store(WaitsFor::kMutex);
  fibers_[1].waits_for.store(WaitsFor::kMutex);
  EXPECT_EQ(start(2 * kMilli, 1), 1U);
  fibers_[0].waits_for.store(WaitsFor::kTask);
  fibers_[1].waits_for.store(WaitsFor::kTask);
  EXPECT_EQ(start(3 * kMilli), 1U) << "there was room for that when they were counted last";
  fibers_[2].scheduler.store(nullptr);
  EXPECT_EQ(start(4 * kMilli), 0U) << "one too many is open";
  fibers_[3].scheduler.store(nullptr);
  fibers_[4].scheduler.store(nullptr);
  EXPECT_EQ(start(5 * kMilli), 1U);
}

TEST_F(AgingTest, TheyAreCountedNowAndThen) {
  start(kMilli);
  EXPECT_EQ(start(kMilli + 1), 0U) << "counted";
  fibers_[0].scheduler.store(nullptr);
  EXPECT_EQ(start(kMilli + 2), 0U);
  EXPECT_EQ(start(kMilli + 100'001), 1U);
}

TEST_F(AgingTest, AfterRoomThePausesBeginAnew) {
  start(0);
  for (Nanos now = 0; now < 2000 * kMilli; now += 50 * kMilli) start(now);
  for (Fiber& fiber : fibers_) fiber.scheduler.store(nullptr);
  EXPECT_EQ(start(3000 * kMilli), Aging::kMostOpen);
  EXPECT_EQ(start(3099 * kMilli), 0U);
  EXPECT_EQ(start(3100 * kMilli), 1U);
}

}  // namespace
}  // namespace weft::detail
