// Goal: its owner finds the newest group first and its members as they were pushed, thieves find
// the oldest, it knows when it is full, and does all that when its counters wrap. Method: a small
// ring, each test from several starting points of the counters, two of them just before the wrap,
// written where the class has them: first in two cache lines. SpawnStack, which is the same without
// thieves, has to agree.

#include "sched/spawn_deque.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

#include "fiber/fiber_pool.h"
#include "sched/spawn_stack.h"

namespace weft::detail {
namespace {

constexpr std::uint32_t kCapacity = 8;
using Deque = SpawnDeque<int, kCapacity>;

class SpawnDequeTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  SpawnDequeTest() {
    static_assert(std::is_standard_layout_v<Deque>, "the first member is at its address");
    std::iota(items_.begin(), items_.end(), 0);
    auto* const lines = reinterpret_cast<std::byte*>(&deque_);
    reinterpret_cast<Atomic<std::uint32_t>*>(lines)->store(GetParam());
    reinterpret_cast<Atomic<std::uint32_t>*>(lines + 64)->store(GetParam());
  }

  void push(int first, int count, std::uint64_t turn) {
    for (int i = first; i < first + count; ++i) ASSERT_TRUE(deque_.push(&items_[i], turn));
  }
  // As a worker does between turns.
  int pop() {
    const int* const item = deque_.has_group() ? deque_.pop_group() : deque_.pop();
    return item != nullptr ? *item : -1;
  }
  std::vector<int> drain() {
    std::vector<int> popped;
    for (int item; (item = pop()) >= 0;) popped.push_back(item);
    return popped;
  }
  std::vector<int> steal(int count) {
    std::vector<int> stolen;
    for (int i = 0; i < count; ++i) {
      const int* const item = deque_.steal();
      stolen.push_back(item != nullptr ? *item : -1);
    }
    return stolen;
  }
  using Numbers = std::vector<int>;

  std::vector<int> items_ = std::vector<int>(100);
  Deque deque_;
};

INSTANTIATE_TEST_SUITE_P(From, SpawnDequeTest,
                         testing::Values(0u, 5u, UINT32_MAX, UINT32_MAX - 2, UINT32_MAX / 2));

TEST_P(SpawnDequeTest, IsEmptyAtFirst) {
  EXPECT_TRUE(deque_.empty());
  EXPECT_EQ(deque_.count(), 0u);
  EXPECT_FALSE(deque_.has_group());
  EXPECT_EQ(deque_.pop(), nullptr);
  EXPECT_EQ(deque_.pop_group(), nullptr);
  EXPECT_EQ(deque_.steal(), nullptr);
  EXPECT_TRUE(deque_.empty());
}

TEST_P(SpawnDequeTest, WhatOneTurnPushedComesOutAsItWasPushed) {
  for (int count = 1; count <= static_cast<int>(kCapacity); ++count) {
    push(0, count, 1);
    Numbers expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(drain(), expected);
    EXPECT_TRUE(deque_.empty());
  }
}

TEST_P(SpawnDequeTest, TheLastGroupGoesFirst) {
  push(0, 3, 1);
  EXPECT_EQ(pop(), 0);
  push(10, 2, 2);  // by 0
  EXPECT_EQ(pop(), 10);
  push(20, 2, 3);  // by 10
  EXPECT_EQ(drain(), (Numbers{20, 21, 11, 1, 2}));
}

TEST_P(SpawnDequeTest, AGroupIsInOrderAlthoughAnotherCameUponIt) {
  push(0, 3, 1);
  push(10, 1, 2);
  push(20, 3, 3);
  EXPECT_EQ(drain(), (Numbers{20, 21, 22, 10, 0, 1, 2}));
}

TEST_P(SpawnDequeTest, WithoutATurnTheNewestGoesFirst) {
  push(0, 3, Deque::kNoTurn);
  EXPECT_EQ(drain(), (Numbers{2, 1, 0}));
}

TEST_P(SpawnDequeTest, ThievesTakeTheOldest) {
  push(0, 1, 1);
  push(1, 1, 2);
  push(10, 2, 3);
  EXPECT_EQ(steal(2), (Numbers{0, 1}));
  EXPECT_EQ(drain(), (Numbers{10, 11}));
  EXPECT_EQ(steal(1), (Numbers{-1}));
}

TEST_P(SpawnDequeTest, OfAGroupThatIsTurnedAroundTheyTakeTheLast) {
  push(0, 4, 1);
  EXPECT_EQ(pop(), 0);
  EXPECT_EQ(steal(1), (Numbers{3}));
  EXPECT_EQ(drain(), (Numbers{1, 2}));
}

TEST_P(SpawnDequeTest, AGroupIsInOrderAlthoughThievesHaveBeenAtIt) {
  push(0, 5, 1);
  EXPECT_EQ(steal(2), (Numbers{0, 1}));
  EXPECT_EQ(drain(), (Numbers{2, 3, 4}));
  push(0, 2, 2);
  EXPECT_EQ(steal(2), (Numbers{0, 1}));
  EXPECT_EQ(deque_.pop_group(), nullptr);
  EXPECT_TRUE(deque_.empty());
}

TEST_P(SpawnDequeTest, RefusesMoreThanItsCapacityAndLosesNothing) {
  push(0, kCapacity, 1);
  EXPECT_FALSE(deque_.has_room());
  EXPECT_FALSE(deque_.push(&items_[50], 1));
  EXPECT_EQ(deque_.size(), kCapacity);
  EXPECT_EQ(steal(1), (Numbers{0}));
  EXPECT_TRUE(deque_.push(&items_[50], 1)) << "one has left";
  EXPECT_EQ(drain(), (Numbers{1, 2, 3, 4, 5, 6, 7, 50}));
}

TEST_P(SpawnDequeTest, KnowsTheNewest) {
  push(7, 1, 1);
  EXPECT_EQ(*deque_.newest(), 7);
  push(8, 1, 1);
  EXPECT_EQ(*deque_.newest(), 8);
  EXPECT_EQ(deque_.count(), 2u) << "a look takes nothing";
}

TEST(SpawnStack, HasTheOrderOfTheDeque) {
  constexpr std::size_t kFibers = 300;
  std::array<Fiber*, kFibers> fibers;
  for (Fiber*& fiber : fibers) fiber = FiberPool::instance().take(1);
  SpawnDeque<Fiber, 512> deque;
  SpawnStack stack;
  // Each that comes out pushes some more.
  std::size_t pushed = 0;
  std::uint64_t turn = 1;
  const auto push = [&](std::size_t count) {
    for (; count > 0 && pushed < kFibers; --count, ++pushed) {
      ASSERT_TRUE(deque.push(fibers[pushed], turn));
      stack.push(*fibers[pushed], turn);
    }
  };
  push(3);
  std::size_t popped = 0;
  for (;;) {
    Fiber* const expected = deque.has_group() ? deque.pop_group() : deque.pop();
    ASSERT_EQ(stack.pop(), expected) << "number " << popped;
    if (expected == nullptr) break;
    ++popped;
    ++turn;
    push(popped * 7 % 4);
    if (popped % 5 == 0) ++turn;
    push(popped % 3);
  }
  EXPECT_EQ(popped, kFibers);
  EXPECT_TRUE(stack.empty());
  for (Fiber* const fiber : fibers) FiberPool::instance().give(fiber, fiber);
}

}  // namespace
}  // namespace weft::detail
