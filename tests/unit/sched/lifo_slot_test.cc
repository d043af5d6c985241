// Goal: the slot holds the newest, and whoever gets an item out of it is the only one. The
// interleavings with thieves are in tests/model/.

#include "sched/lifo_slot.h"

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

class LifoSlotTest : public testing::TestWithParam<bool> {
 protected:
  LifoSlot<int> slot_;
  int first_ = 1, second_ = 2;
  const bool alone_ = GetParam();
};

TEST_P(LifoSlotTest, IsEmptyAtFirst) {
  EXPECT_FALSE(slot_.waits());
  EXPECT_EQ(slot_.take(alone_), nullptr);
  EXPECT_EQ(slot_.steal(), nullptr);
}

TEST_P(LifoSlotTest, GivesBackWhatItWasGivenOnce) {
  EXPECT_EQ(slot_.put(&first_, alone_), nullptr);
  EXPECT_TRUE(slot_.waits());
  EXPECT_EQ(slot_.take(alone_), &first_);
  EXPECT_FALSE(slot_.waits());
  EXPECT_EQ(slot_.take(alone_), nullptr);
}

TEST_P(LifoSlotTest, NewestDisplacesTheOther) {
  slot_.put(&first_, alone_);
  EXPECT_EQ(slot_.put(&second_, alone_), &first_);
  EXPECT_EQ(slot_.take(alone_), &second_);
}

TEST_P(LifoSlotTest, WhatIsStolenIsGone) {
  slot_.put(&first_, alone_);
  EXPECT_EQ(slot_.steal(), &first_);
  EXPECT_EQ(slot_.take(alone_), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Owner, LifoSlotTest, testing::Bool(),
                         [](const auto& owner) { return owner.param ? "Alone" : "AmongThieves"; });

}  // namespace
}  // namespace weft::detail
