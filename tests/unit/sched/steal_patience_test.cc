// Goal: a thief leaves to their owner what was not worth stealing, ever longer but not for long,
// and steals at once again when it is. Method: made-up times.

#include "sched/steal_patience.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace weft::detail {
namespace {

constexpr Nanos kVain = StealPatience::kWorthStealing - 1;
constexpr Nanos kStart = 5'000'000;

// Steals `count`, which keep the worker busy for `each`.
void steal(StealPatience& patience, std::uint32_t count, Nanos each) {
  patience.stole(count, kStart);
  patience.looks_again(kStart + count * each);
}

TEST(StealPatience, StealsAtOnceAtFirst) { EXPECT_EQ(StealPatience().patience(), 0); }

TEST(StealPatience, GrowsWithEachVainTheft) {
  StealPatience patience;
  Nanos expected = StealPatience::kLeast;
  for (int i = 0; i < 20; ++i) {
    steal(patience, 1, kVain);
    EXPECT_EQ(patience.patience(), expected);
    expected = std::min(2 * expected, StealPatience::kMost);
  }
}

TEST(StealPatience, CountsWhatIsOverForEachThatWasStolen) {
  StealPatience patience;
  steal(patience, 100, kVain);
  EXPECT_EQ(patience.patience(), StealPatience::kLeast);
}

TEST(StealPatience, IsOverAfterATheftThatWasWorthIt) {
  StealPatience patience;
  for (int i = 0; i < 20; ++i) steal(patience, 3, kVain);
  steal(patience, 3, StealPatience::kWorthStealing);
  EXPECT_EQ(patience.patience(), 0);
}

TEST(StealPatience, IsOverWhereThereIsNothingToSteal) {
  StealPatience patience;
  steal(patience, 1, kVain);
  patience.found_nothing();
  EXPECT_EQ(patience.patience(), 0);
}

TEST(StealPatience, JudgesATheftOnce) {
  StealPatience patience;
  EXPECT_FALSE(patience.has_stolen());
  patience.stole(1, kStart);
  EXPECT_TRUE(patience.has_stolen());
  patience.looks_again(kStart + kVain);
  EXPECT_FALSE(patience.has_stolen());
  // It looks in vain for long, and that is not what was stolen.
  patience.looks_again(kStart + 1'000'000'000);
  EXPECT_EQ(patience.patience(), StealPatience::kLeast);
}

}  // namespace
}  // namespace weft::detail
