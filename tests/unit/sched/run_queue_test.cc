// Goal: the ring is a FIFO for its owner, gives thieves the older half, knows when it is full, and
// does all that when its counters wrap. Method: small rings, each test from several starting points
// of the counters, one of them just before the wrap. Turning a counter over by pushing takes ten
// seconds, so these are written where the class has them: first in two cache lines.

#include "sched/run_queue.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/build_kind.h"

namespace weft::detail {
namespace {

constexpr std::uint32_t kCapacity = 8;
using Queue = RunQueue<int, kCapacity>;

template <class AnyQueue>
void start_counters_at(AnyQueue& queue, std::uint32_t start) {
  static_assert(std::is_standard_layout_v<AnyQueue>, "the first member is at its address");
  auto* const lines = reinterpret_cast<std::byte*>(&queue);
  reinterpret_cast<Atomic<std::uint32_t>*>(lines)->store(start);
  reinterpret_cast<Atomic<std::uint32_t>*>(lines + 64)->store(start);
}

class RunQueueTest : public testing::TestWithParam<std::uint32_t> {
 protected:
  RunQueueTest() {
    std::iota(items_.begin(), items_.end(), 0);
    start_counters_at(queue_, GetParam());
    start_counters_at(thief_, GetParam() + 3);
  }

  // Pushes the numbers `first`, `first` + 1, ...
  void push(Queue& queue, int first, int count) {
    for (int i = first; i < first + count; ++i) ASSERT_TRUE(queue.push(&items_[i]));
  }
  static std::vector<int> drain(Queue& queue) {
    std::vector<int> numbers;
    while (int* const item = queue.pop()) numbers.push_back(*item);
    return numbers;
  }
  static std::vector<int> numbers(int first, int count) {
    std::vector<int> all(count);
    std::iota(all.begin(), all.end(), first);
    return all;
  }

  std::vector<int> items_ = std::vector<int>(100);
  Queue queue_;
  Queue thief_;
};

INSTANTIATE_TEST_SUITE_P(From, RunQueueTest,
                         testing::Values(0u, 5u, UINT32_MAX, UINT32_MAX - 2, UINT32_MAX / 2));

TEST_P(RunQueueTest, IsEmptyAtFirst) {
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_NE(queue_.count(), 1u);
  EXPECT_EQ(queue_.pop(), nullptr);
}

TEST_P(RunQueueTest, GivesItemsBackInOrder) {
  {
    push(queue_, 0, 5);
    EXPECT_EQ(queue_.size(), 5u);
    EXPECT_EQ(drain(queue_), numbers(0, 5));
    EXPECT_TRUE(queue_.empty());
  }
}

TEST_P(RunQueueTest, KeepsOrderOverManyTurnsOfTheRing) {
  int pushed = 0;
  int popped = 0;
  push(queue_, 0, 3);
  pushed = 3;
  while (pushed < 95) {
    push(queue_, pushed, 2);
    pushed += 2;
    for (int i = 0; i < 2; ++i) {
      const int* const item = queue_.pop();
      ASSERT_NE(item, nullptr);
      EXPECT_EQ(*item, popped++);
    }
  }
}

TEST_P(RunQueueTest, RefusesMoreThanItsCapacityAndLosesNothing) {
  push(queue_, 0, kCapacity);
  EXPECT_FALSE(queue_.push(&items_[50]));
  EXPECT_FALSE(queue_.push(&items_[50]));
  EXPECT_EQ(queue_.size(), kCapacity);
  EXPECT_EQ(*queue_.pop(), 0);
  EXPECT_TRUE(queue_.push(&items_[kCapacity])) << "one has left";
  EXPECT_EQ(drain(queue_), numbers(1, kCapacity));
}

TEST_P(RunQueueTest, KnowsALoneItem) {
  push(queue_, 7, 1);
  EXPECT_EQ(queue_.count(), 1u);
  push(queue_, 8, 1);
  EXPECT_NE(queue_.count(), 1u);
  queue_.pop();
  EXPECT_EQ(queue_.count(), 1u);
}

// ---- Spilling.

TEST_P(RunQueueTest, FullRingGivesItsOlderHalfInOrder) {
  push(queue_, 0, kCapacity);
  std::array<int*, Queue::kHalf> out{};
  ASSERT_EQ(queue_.take_half(out), kCapacity / 2);
  for (std::uint32_t i = 0; i < kCapacity / 2; ++i) EXPECT_EQ(*out[i], static_cast<int>(i));
  EXPECT_EQ(drain(queue_), numbers(kCapacity / 2, kCapacity / 2));
}

TEST_P(RunQueueTest, LessThanHalfIsNotTaken) {
  push(queue_, 0, kCapacity / 2 - 1);
  std::array<int*, Queue::kHalf> out{};
  EXPECT_EQ(queue_.take_half(out), 0u);
  EXPECT_EQ(drain(queue_), numbers(0, kCapacity / 2 - 1));
}

// ---- Stealing.

TEST_P(RunQueueTest, ThiefFindsNothingInAnEmptyRing) {
  EXPECT_EQ(thief_.steal_from(queue_, true), nullptr);
  push(queue_, 0, 1);
  queue_.pop();
  EXPECT_EQ(thief_.steal_from(queue_, true), nullptr);
  EXPECT_TRUE(thief_.empty());
}

TEST_P(RunQueueTest, ThiefTakesTheOlderHalfRoundedUp) {
  for (int available = 2; available <= static_cast<int>(kCapacity); ++available) {
    push(queue_, 0, available);
    const int* const first = thief_.steal_from(queue_, false);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(*first, 0) << "the oldest is to run now";
    const int taken = (available + 1) / 2;
    EXPECT_EQ(drain(thief_), numbers(1, taken - 1)) << "of " << available;
    EXPECT_EQ(drain(queue_), numbers(taken, available - taken)) << "of " << available;
  }
}

TEST_P(RunQueueTest, LoneItemIsLeftToItsOwnerUnlessAskedFor) {
  push(queue_, 4, 1);
  EXPECT_EQ(thief_.steal_from(queue_, false), nullptr);
  EXPECT_EQ(queue_.size(), 1u);
  const int* const item = thief_.steal_from(queue_, true);
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(*item, 4);
  EXPECT_TRUE(queue_.empty());
  EXPECT_TRUE(thief_.empty());
  EXPECT_EQ(queue_.pop(), nullptr);
}

TEST_P(RunQueueTest, LootGoesBehindWhatTheThiefHas) {
  push(thief_, 40, 3);
  push(queue_, 0, 6);
  EXPECT_EQ(*thief_.steal_from(queue_, false), 0);
  EXPECT_EQ(drain(thief_), (std::vector{40, 41, 42, 1, 2}));
  EXPECT_EQ(drain(queue_), numbers(3, 3));
}

TEST_P(RunQueueTest, LootThatJustFitsIsTaken) {
  push(thief_, 40, kCapacity - 3);
  push(queue_, 0, kCapacity);  // the half is four: one to run, three to queue
  const int* const first = thief_.steal_from(queue_, false);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(*first, 0);
  EXPECT_EQ(thief_.size(), kCapacity);
  std::vector<int> expected = numbers(40, kCapacity - 3);
  expected.insert(expected.end(), {1, 2, 3});
  EXPECT_EQ(drain(thief_), expected);
}

TEST_P(RunQueueTest, LootThatDoesNotFitIsLeft) {
  push(thief_, 40, kCapacity - 2);
  push(queue_, 0, kCapacity);
  EXPECT_EQ(thief_.steal_from(queue_, false), nullptr);
  EXPECT_EQ(drain(thief_), numbers(40, kCapacity - 2));
  EXPECT_EQ(drain(queue_), numbers(0, kCapacity));
}

TEST_P(RunQueueTest, OwnerFindsRoomAgainWhereThievesHaveBeen) {
  push(queue_, 0, kCapacity);
  ASSERT_NE(thief_.steal_from(queue_, false), nullptr);
  push(queue_, 8, kCapacity / 2);
  EXPECT_FALSE(queue_.push(&items_[50]));
  EXPECT_EQ(drain(queue_), numbers(4, kCapacity));
}

TEST_P(RunQueueTest, TwoThievesInTurnTakeDifferentItems) {
  Queue second;
  push(queue_, 0, 8);
  EXPECT_EQ(*thief_.steal_from(queue_, false), 0);
  EXPECT_EQ(*second.steal_from(queue_, false), 4);
  EXPECT_EQ(drain(thief_), numbers(1, 3));
  EXPECT_EQ(drain(second), numbers(5, 1));
  EXPECT_EQ(drain(queue_), numbers(6, 2));
}

// ---- Races. What they cost is in the stress test; here is that exactly one wins.

TEST_P(RunQueueTest, LastItemGoesToTheOwnerOrToTheThief) {
  const int rounds = support::scaled(20'000);
  Atomic<int> round{0};
  Atomic<int> done{0};
  std::vector<char> stolen(rounds, 0);
  std::thread thief([&] {
    for (int i = 1; i <= rounds; ++i) {
      while (round.load() < i) std::this_thread::yield();
      stolen[i - 1] = thief_.steal_from(queue_, true) != nullptr ? 1 : 0;
      done.store(i);
    }
  });
  int owner = 0;
  int thieves = 0;
  for (int i = 1; i <= rounds; ++i) {
    ASSERT_TRUE(queue_.push(&items_[0]));
    round.store(i);
    const bool popped = queue_.pop() != nullptr;
    while (done.load() < i) std::this_thread::yield();
    // The thief loses when its swap does, although the item was there when it looked.
    ASSERT_EQ(static_cast<int>(popped) + stolen[i - 1], 1) << "round " << i;
    (popped ? owner : thieves) += 1;
  }
  thief.join();
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(owner + thieves, rounds);
}

}  // namespace
}  // namespace weft::detail
