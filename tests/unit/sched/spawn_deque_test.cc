// Goal: its owner finds the newest group first and its members as they were pushed, thieves get the
// oldest when the owner comes by or by force, it knows when it is full, and does all that when its
// counters wrap. Method: a small ring, each test from several starting points of the counters, two
// of them just before the wrap, written where the class has them: first. SpawnStack, which is the
// same without thieves, has to agree.

#include "sched/spawn_deque.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>
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
    auto* const counters = reinterpret_cast<Atomic<std::uint32_t>*>(&deque_);
    counters[0].store(GetParam());
    counters[1].store(GetParam());
  }

  // All spawned by the item `spawner`.
  void push(int first, int count, int spawner) {
    for (int i = first; i < first + count; ++i) {
      ASSERT_TRUE(deque_.push(&items_[i], &items_[spawner]));
    }
  }
  int pop() {
    const int* const item = deque_.pop();
    return item != nullptr ? *item : -1;
  }
  std::vector<int> drain() {
    std::vector<int> popped;
    for (int item; (item = pop()) >= 0;) popped.push_back(item);
    return popped;
  }
  // Asks for so many; the owner comes by at once.
  std::vector<int> steal(std::uint32_t most) {
    Deque::Batch batch;
    const std::uint32_t count = deque_.ask(batch, most, [this] {
      deque_.come_by();
      return true;
    });
    return numbers(batch, count);
  }
  std::vector<int> force() {
    Deque::Batch batch;
    const std::uint32_t count = deque_.force(batch);
    return numbers(batch, count);
  }
  static std::vector<int> numbers(const Deque::Batch& batch, std::uint32_t count) {
    std::vector<int> numbers;
    for (std::uint32_t i = 0; i < count; ++i) numbers.push_back(*batch[i]);
    return numbers;
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
  EXPECT_EQ(deque_.pop(), nullptr);
  EXPECT_EQ(deque_.pop_oldest(), nullptr);
  EXPECT_EQ(steal(1), Numbers());
  EXPECT_EQ(force(), Numbers());
  EXPECT_TRUE(deque_.empty());
}

TEST_P(SpawnDequeTest, WhatOnePushedComesOutAsItWasPushed) {
  for (int count = 1; count <= static_cast<int>(kCapacity); ++count) {
    push(0, count, 91);
    Numbers expected(count);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(drain(), expected);
    EXPECT_TRUE(deque_.empty());
  }
}

TEST_P(SpawnDequeTest, TheLastGroupGoesFirst) {
  push(0, 3, 91);
  EXPECT_EQ(pop(), 0);
  push(10, 2, 92);  // by 0
  EXPECT_EQ(pop(), 10);
  push(20, 2, 93);  // by 10
  EXPECT_EQ(drain(), (Numbers{20, 21, 11, 1, 2}));
}

TEST_P(SpawnDequeTest, AGroupIsInOrderAlthoughAnotherCameUponIt) {
  push(0, 3, 91);
  push(10, 1, 92);
  push(20, 3, 93);
  EXPECT_EQ(drain(), (Numbers{20, 21, 22, 10, 0, 1, 2}));
}

TEST_P(SpawnDequeTest, WithoutASpawnerTheNewestGoesFirst) {
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(deque_.push(&items_[i], nullptr));
  EXPECT_EQ(drain(), (Numbers{2, 1, 0}));
}

TEST_P(SpawnDequeTest, ThievesTakeTheOldest) {
  push(0, 1, 91);
  push(1, 1, 92);
  push(10, 2, 93);
  EXPECT_EQ(steal(2), (Numbers{0, 1}));
  EXPECT_EQ(drain(), (Numbers{10, 11}));
  EXPECT_EQ(steal(1), Numbers());
}

TEST_P(SpawnDequeTest, TheyAreGivenNoMoreThanHalfAndTheyAskFor) {
  push(0, 7, 91);
  EXPECT_EQ(steal(1), (Numbers{0}));
  EXPECT_EQ(steal(100), (Numbers{1, 2, 3}));
  EXPECT_EQ(steal(100), (Numbers{4, 5}));
  EXPECT_EQ(steal(100), Numbers()) << "a lone one is its owner's";
  EXPECT_EQ(force(), (Numbers{6})) << "who is stuck";
}

TEST_P(SpawnDequeTest, ByForceTheyTakeTheOlderHalf) {
  push(0, 5, 91);
  EXPECT_EQ(force(), (Numbers{0, 1, 2}));
  EXPECT_EQ(drain(), (Numbers{3, 4}));
}

TEST_P(SpawnDequeTest, WhoAsksMayThinkBetterOfIt) {
  push(0, 4, 91);
  Deque::Batch batch;
  int looks = 0;
  EXPECT_EQ(deque_.ask(batch, 2, [&] { return ++looks < 3; }), 0u);
  EXPECT_EQ(looks, 3);
  deque_.come_by();
  EXPECT_EQ(steal(2), (Numbers{0, 1})) << "nothing was given to who does not want it any more";
}

TEST_P(SpawnDequeTest, WhateverItsOwnerDoesItGivesFirst) {
  const auto asked_while = [this](auto&& act) {
    Deque::Batch batch;
    const std::uint32_t count = deque_.ask(batch, 1, [&] {
      act();
      return true;
    });
    return numbers(batch, count);
  };
  push(0, 6, 91);
  EXPECT_EQ(asked_while([this] { push(6, 1, 91); }), (Numbers{0}));
  EXPECT_EQ(asked_while([this] { EXPECT_EQ(pop(), 2); }), (Numbers{1}));
  EXPECT_EQ(asked_while([this] { EXPECT_TRUE(deque_.push_behind_group(&items_[91])); }),
            (Numbers{6}));
  EXPECT_EQ(asked_while([this] { EXPECT_EQ(*deque_.pop_oldest(), 5); }), (Numbers{91}));
  EXPECT_EQ(drain(), (Numbers{3, 4}));
}

TEST_P(SpawnDequeTest, OneThiefAtATime) {
  push(0, 4, 91);
  Deque::Batch batch;
  deque_.ask(batch, 1, [this] {
    EXPECT_EQ(force(), Numbers());
    Deque::Batch another;
    EXPECT_EQ(deque_.ask(another, 1, [] { return false; }), 0u);
    return false;
  });
  EXPECT_EQ(drain(), (Numbers{0, 1, 2, 3}));
}

TEST_P(SpawnDequeTest, CountsHowOftenItHasBecomeEmpty) {
  EXPECT_EQ(deque_.times_emptied(), 0u);
  push(0, 2, 91);
  pop();
  EXPECT_EQ(deque_.times_emptied(), 0u);
  pop();
  EXPECT_EQ(deque_.times_emptied(), 1u);
  pop();
  EXPECT_EQ(deque_.times_emptied(), 1u) << "it was empty";
  push(0, 1, 91);
  force();
  EXPECT_EQ(deque_.times_emptied(), 2u);
  push(0, 1, 91);
  deque_.pop_oldest();
  EXPECT_EQ(deque_.times_emptied(), 3u);
}

TEST_P(SpawnDequeTest, OfAGroupThatIsTurnedAroundTheyTakeTheLast) {
  push(0, 4, 91);
  EXPECT_EQ(pop(), 0);
  EXPECT_EQ(steal(1), (Numbers{3}));
  EXPECT_EQ(drain(), (Numbers{1, 2}));
}

TEST_P(SpawnDequeTest, AGroupIsInOrderAlthoughThievesHaveBeenAtIt) {
  push(0, 5, 91);
  EXPECT_EQ(steal(2), (Numbers{0, 1}));
  EXPECT_EQ(drain(), (Numbers{2, 3, 4}));
  push(0, 2, 92);
  EXPECT_EQ(force(), (Numbers{0}));
  EXPECT_EQ(force(), (Numbers{1}));
  EXPECT_EQ(deque_.pop(), nullptr);
  EXPECT_TRUE(deque_.empty());
}

TEST_P(SpawnDequeTest, TheOldestComesOutFirstIfItIsToo) {
  push(0, 2, 91);
  push(10, 2, 92);
  EXPECT_EQ(*deque_.pop_oldest(), 1) << "a group that another lies upon has been turned around";
  EXPECT_EQ(*deque_.pop_oldest(), 0);
  EXPECT_EQ(*deque_.pop_oldest(), 10);
  EXPECT_EQ(drain(), (Numbers{11}));
}

TEST_P(SpawnDequeTest, RefusesMoreThanItsCapacityAndLosesNothing) {
  push(0, kCapacity, 91);
  EXPECT_FALSE(deque_.push(&items_[50], &items_[91]));
  EXPECT_EQ(deque_.count(), kCapacity);
  EXPECT_EQ(steal(1), (Numbers{0}));
  EXPECT_TRUE(deque_.push(&items_[50], &items_[91])) << "one has left";
  EXPECT_EQ(drain(), (Numbers{1, 2, 3, 4, 5, 6, 7, 50}));
}

// ---- Behind the group.

TEST_P(SpawnDequeTest, ASpawnerGoesBehindTheRestOfItsGroup) {
  push(0, 2, 91);
  push(10, 3, 92);
  EXPECT_FALSE(deque_.has_group_of(&items_[92])) << "none of it has been popped";
  EXPECT_EQ(pop(), 10);
  EXPECT_TRUE(deque_.has_group_of(&items_[92]));
  EXPECT_TRUE(deque_.push_behind_group(&items_[92]));
  EXPECT_FALSE(deque_.push_behind_group(&items_[92])) << "once";
  EXPECT_EQ(drain(), (Numbers{11, 12, 92, 0, 1}));
}

TEST_P(SpawnDequeTest, NotBehindWhatOthersHaveSpawned) {
  push(0, 2, 91);
  push(10, 2, 92);
  EXPECT_EQ(pop(), 10);
  EXPECT_FALSE(deque_.push_behind_group(&items_[91]));
  EXPECT_EQ(pop(), 11);
  EXPECT_FALSE(deque_.push_behind_group(&items_[92])) << "nothing of it is left";
  EXPECT_EQ(drain(), (Numbers{0, 1}));
}

TEST_P(SpawnDequeTest, NotWhereThievesHaveTakenThemAll) {
  push(0, 3, 91);
  EXPECT_EQ(pop(), 0);
  EXPECT_EQ(force(), (Numbers{2}));
  EXPECT_EQ(force(), (Numbers{1}));
  EXPECT_FALSE(deque_.push_behind_group(&items_[91]));
}

TEST_P(SpawnDequeTest, BehindWhatThievesHaveLeft) {
  push(0, 4, 91);
  EXPECT_EQ(pop(), 0);
  EXPECT_EQ(steal(1), (Numbers{3}));
  EXPECT_TRUE(deque_.push_behind_group(&items_[91]));
  EXPECT_EQ(drain(), (Numbers{1, 2, 91}));
}

TEST_P(SpawnDequeTest, NotWhereThereIsNoRoom) {
  push(0, 1, 91);
  push(10, kCapacity - 1, 92);
  EXPECT_EQ(pop(), 10);
  push(20, 1, 10);
  EXPECT_EQ(pop(), 20);
  push(30, 1, 11);
  EXPECT_FALSE(deque_.push_behind_group(&items_[92]));
  EXPECT_EQ(deque_.count(), kCapacity);
}

TEST(SpawnStack, HasTheOrderOfTheDeque) {
  constexpr std::size_t kFibers = 300;
  std::array<Fiber*, kFibers> fibers;
  for (Fiber*& fiber : fibers) fiber = FiberPool::instance().take(1);
  SpawnDeque<Fiber, 512> deque;
  SpawnStack stack;
  // Each that comes out pushes some more, and is behind them then, or not.
  std::size_t pushed = 0;
  Fiber* spawner = nullptr;
  const auto push = [&](std::size_t count) {
    for (; count > 0 && pushed < kFibers; --count, ++pushed) {
      ASSERT_TRUE(deque.push(fibers[pushed], spawner));
      stack.push(*fibers[pushed], spawner);
    }
  };
  Fiber first;
  spawner = &first;
  push(3);
  std::size_t popped = 0;
  std::size_t behind = 0;
  std::set<Fiber*> waiting;
  for (Fiber* before = &first;; before = spawner) {
    Fiber* const expected = deque.pop();
    ASSERT_EQ(stack.pop(), expected) << "number " << popped;
    if (expected == nullptr) break;
    spawner = expected;
    popped += waiting.erase(expected) == 0 ? 1 : 0;
    if (popped % 3 == 0 && !waiting.contains(before)) {
      const bool queued = deque.push_behind_group(before);
      ASSERT_EQ(stack.push_behind_group(*before), queued);
      if (queued && before != &first) waiting.insert(before);
      behind += queued ? 1 : 0;
    }
    push(popped * 7 % 4);
  }
  EXPECT_GT(behind, 10u);
  EXPECT_EQ(popped, kFibers);
  EXPECT_TRUE(stack.empty());
  for (Fiber* const fiber : fibers) FiberPool::instance().give(fiber, fiber);
}

// What is due keeps its place below the others.
TEST(SpawnStack, WhatIsDueIsPoppedLastUnlessItIsTakenBefore) {
  std::array<Fiber, 8> fibers;
  Fiber parent;
  Fiber other;
  SpawnStack stack;
  stack.push(fibers[0], &parent);
  stack.push(fibers[1], &parent);
  EXPECT_FALSE(stack.has_due());
  stack.make_all_due();
  EXPECT_TRUE(stack.has_due());
  EXPECT_FALSE(stack.empty());
  EXPECT_FALSE(stack.push_behind_group(parent)) << "its group is out of reach";
  stack.push(fibers[2], &parent);
  stack.push(fibers[3], &other);
  EXPECT_FALSE(stack.has_first_alone(fibers[0]));
  EXPECT_EQ(stack.pop_due(), &fibers[0]);
  EXPECT_EQ(stack.pop(), &fibers[3]);
  EXPECT_EQ(stack.pop(), &fibers[2]);
  EXPECT_EQ(stack.pop(), &fibers[1]);
  EXPECT_FALSE(stack.has_due());
  EXPECT_TRUE(stack.empty());
  EXPECT_EQ(stack.pop(), nullptr);
  EXPECT_EQ(stack.pop_due(), nullptr);
}

// Siblings start in order, though the first waits elsewhere.
TEST(SpawnStack, WhatIsDueWaitsForWhatWasTakenEarly) {
  std::array<Fiber, 4> fibers;
  Fiber parent;
  SpawnStack stack;
  const auto in_a_runtime = reinterpret_cast<Scheduler*>(&fibers);
  for (Fiber& fiber : fibers) fiber.scheduler.store(in_a_runtime);
  for (std::size_t i = 0; i < 3; ++i) stack.push(fibers[i], &parent);
  stack.make_all_due();
  EXPECT_EQ(stack.take_early(), &fibers[0]);
  EXPECT_EQ(stack.pop(), nullptr);
  stack.push(fibers[3], &parent);
  EXPECT_EQ(stack.pop(), &fibers[3]) << "newer ones do not";
  fibers[0].context = reinterpret_cast<Context>(&fibers);  // it has started
  EXPECT_EQ(stack.pop(), &fibers[1]);
  EXPECT_EQ(stack.take_early(), &fibers[2]);
  EXPECT_TRUE(stack.empty());
}

TEST(SpawnStack, WhatIsDueDoesNotWaitForWhatEndedWithoutAStart) {
  std::array<Fiber, 4> fibers;
  Fiber parent;
  SpawnStack stack;
  for (Fiber& fiber : fibers) {
    fiber.scheduler.store(reinterpret_cast<Scheduler*>(&fibers));
    stack.push(fiber, &parent);
  }
  stack.make_all_due();
  EXPECT_EQ(stack.take_early(), &fibers[0]);
  EXPECT_EQ(stack.pop(), nullptr);
  fibers[0].scheduler.store(nullptr);
  EXPECT_EQ(stack.pop(), &fibers[1]);
  EXPECT_EQ(stack.take_early(), &fibers[2]);
  EXPECT_EQ(stack.pop(), nullptr);
  fibers[2].id.store(7);  // the descriptor is another's
  EXPECT_EQ(stack.pop(), &fibers[3]);
}

}  // namespace
}  // namespace weft::detail
