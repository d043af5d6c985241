// Goal: the generator is splitmix64, and below() is in range and even. Method: the published
// numbers of a known seed, and counts over many draws.

#include "base/rng.h"

#include <gtest/gtest.h>

#include <array>

namespace weft::detail {
namespace {

TEST(Rng, GivesThePublishedNumbersOfSplitmix64) {
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317u);
  EXPECT_EQ(rng.next(), 3203168211198807973u);
  EXPECT_EQ(rng.next(), 9817491932198370423u);
  EXPECT_EQ(rng.next(), 4593380528125082431u);
  EXPECT_EQ(rng.next(), 16408922859458223821u);
}

TEST(Rng, SeedsOfNeighbourWorkersGiveDifferentChoices) {
  Rng first(1);
  Rng second(2);
  int same = 0;
  for (int i = 0; i < 1000; ++i) same += first.below(1000) == second.below(1000) ? 1 : 0;
  EXPECT_LT(same, 20);
}

TEST(Rng, BelowOneIsAlwaysZero) {
  Rng rng(3);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, BelowReachesEveryNumberInRangeAboutEquallyOften) {
  for (const std::uint32_t bound : {2u, 3u, 7u}) {
    Rng rng(bound);
    std::array<int, 7> seen{};
    constexpr int kDraws = 70'000;
    for (int i = 0; i < kDraws; ++i) {
      const std::uint32_t drawn = rng.below(bound);
      ASSERT_LT(drawn, bound);
      ++seen[drawn];
    }
    for (std::uint32_t i = 0; i < bound; ++i) {
      EXPECT_NEAR(seen[i], kDraws / static_cast<int>(bound), 1000) << i << " of " << bound;
    }
  }
}

TEST(Rng, BelowTheLargestBoundUsesTheUpperHalf) {
  Rng rng(4);
  bool large = false;
  for (int i = 0; i < 100; ++i) large |= rng.below(UINT32_MAX) > UINT32_MAX / 2;
  EXPECT_TRUE(large);
}

}  // namespace
}  // namespace weft::detail
