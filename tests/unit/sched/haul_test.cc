// Goal: a thief learns from what it has taken, and is not misled by a spawner that comes along.
// Method: moments and counts made up here.

#include "sched/haul.h"

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

constexpr Nanos kBegin = 1'000'000;

// A haul of `count` fibers that begins at kBegin, before any has ended.
Haul taken(std::uint32_t count) {
  Haul haul;
  haul.take(count, {.victim = 1, .site = 7}, 0);
  haul.begin(kBegin);
  return haul;
}

TEST(Haul, IsWorthTheWayOnceItTookAsLongAsThat) {
  Haul haul = taken(10);
  EXPECT_TRUE(haul.pending());
  EXPECT_EQ(haul.origin().victim, 1U);
  EXPECT_EQ(haul.origin().site, 7U);
  EXPECT_TRUE(haul.weigh(kBegin + 15'000, 10));
  EXPECT_FALSE(haul.pending());
  EXPECT_TRUE(haul.may_follow(kBegin + 15'000));
}

TEST(Haul, OfWhichLittleHasRunIsMeasuredByThat) {
  EXPECT_FALSE(taken(100).weigh(kBegin + 10'000, 100));
  EXPECT_TRUE(taken(100).weigh(kBegin + 10'000, 5));
  // Those that they have spawned count as if they were of it, but no more than there were.
  EXPECT_TRUE(taken(5).weigh(kBegin + 10'000, 100'000));
}

TEST(Haul, ThatWasOverAtOnceMakesTheNextSmallerAndLaterAndLater) {
  Haul haul = taken(100);
  const std::uint32_t most = haul.most();
  Nanos pause = 5'000;
  for (std::uint32_t part = 2; part <= 64; part *= 2, pause = std::min(2 * pause, Nanos{100'000})) {
    EXPECT_FALSE(haul.weigh(kBegin + 1'000, 100));
    EXPECT_EQ(haul.most(), most / part);
    EXPECT_FALSE(haul.may_follow(kBegin + 1'000 + pause - 1)) << part;
    EXPECT_TRUE(haul.may_follow(kBegin + 1'000 + pause)) << part;
    haul.take(100, {}, 0);
    haul.begin(kBegin);
  }
  EXPECT_TRUE(haul.weigh(kBegin + 1'000'000, 100));
  EXPECT_EQ(haul.most(), most / 32);
}

TEST(Haul, ThatWasNeitherChangesNothing) {
  Haul haul = taken(10);
  const std::uint32_t most = haul.most();
  EXPECT_FALSE(haul.weigh(kBegin + 10'000, 10));
  EXPECT_EQ(haul.most(), most);
  EXPECT_TRUE(haul.may_follow(kBegin + 10'000));
}

TEST(Haul, BeginsWithTheFirstOfItThatRuns) {
  Haul haul;
  EXPECT_TRUE(haul.begun());
  haul.take(1, {}, 0);
  EXPECT_FALSE(haul.begun());
  haul.begin(kBegin);
  EXPECT_TRUE(haul.begun());
}

TEST(Haul, IsOverWithItsLastFiberIfThatBringsACompanion) {
  Fiber companion;
  Haul haul = taken(3);
  EXPECT_FALSE(haul.brings(companion, 0));
  EXPECT_FALSE(haul.brings(companion, 1));
  EXPECT_TRUE(haul.brings(companion, 2));
}

TEST(Haul, KnowsItsCompanionUntilItIsWeighed) {
  Fiber companion;
  Fiber other;
  Haul haul = taken(3);
  EXPECT_FALSE(haul.has_companion(companion));
  EXPECT_FALSE(haul.brings(companion, 0));
  EXPECT_TRUE(haul.has_companion(companion));
  EXPECT_FALSE(haul.has_companion(other));
  EXPECT_FALSE(haul.weigh(kBegin + 1'000, 1));
  EXPECT_FALSE(haul.has_companion(companion));

  haul.take(3, {}, 0);
  EXPECT_FALSE(haul.brings(companion, 0));
  haul.take(3, {}, 0);
  EXPECT_FALSE(haul.has_companion(companion));
}

TEST(Haul, OfNoneIsNotWeighed) { EXPECT_FALSE(taken(0).pending()); }

}  // namespace
}  // namespace weft::detail
