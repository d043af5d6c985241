// Goal: the list under every primitive keeps its order, a waiter that something else ended is out
// of it when it returns, and waking all touches nothing afterwards. Method: waiters by hand for the
// list, bare fibers for the waiting.

#include "sync/wait_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/valgrind.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

TEST(WaitQueue, LockKeepsTheOtherBitsAndUnlockSetsThem) {
  WaitList list;
  WaitQueue queue(list);
  EXPECT_EQ(queue.lock(), 0u);
  EXPECT_EQ(list.word.load(), WaitQueue::kLocked);
  queue.unlock(6);
  EXPECT_EQ(list.word.load(), 6u);
  EXPECT_EQ(queue.lock(), 6u);
  EXPECT_EQ(list.word.load(), 6u | WaitQueue::kLocked);
  queue.unlock(7);
  EXPECT_EQ(list.word.load(), 6u) << "whatever state it is given, the lock is free";
}

TEST(WaitQueue, LockExcludesThreads) {
  const int rounds = support::on_valgrind() ? 2'000 : support::scaled(50'000);
  WaitList list;
  long plain = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      WaitQueue queue(list);
      for (int round = 0; round < rounds; ++round) {
        const std::uint32_t state = queue.lock();
        ++plain;
        queue.unlock(state + 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(plain, 4L * rounds);
  EXPECT_EQ(list.word.load(), static_cast<std::uint32_t>(8L * rounds));
}

// ---- The list, from one thread.

class WaitListTest : public testing::Test {
 protected:
  ~WaitListTest() override {
    while (queue_.pop_front() != nullptr) {
    }
  }
  std::vector<int> drain() {
    std::vector<int> numbers;
    while (Waiter* const waiter = queue_.pop_front()) {
      EXPECT_FALSE(waiter->linked);
      numbers.push_back(static_cast<int>(waiter - waiters_.data()));
    }
    return numbers;
  }

  WaitList list_;
  WaitQueue queue_{list_};
  std::array<Waiter, 4> waiters_;
};

TEST_F(WaitListTest, IsAFifo) {
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.pop_front(), nullptr);
  for (Waiter& waiter : waiters_) {
    queue_.push_back(waiter);
    EXPECT_TRUE(waiter.linked);
  }
  EXPECT_FALSE(queue_.empty());
  EXPECT_EQ(drain(), (std::vector{0, 1, 2, 3}));
  EXPECT_TRUE(queue_.empty());
}

TEST_F(WaitListTest, PushFrontGoesAhead) {
  queue_.push_front(waiters_[0]);
  queue_.push_back(waiters_[1]);
  queue_.push_front(waiters_[2]);
  queue_.push_back(waiters_[3]);
  EXPECT_EQ(drain(), (std::vector{2, 0, 1, 3}));
}

TEST_F(WaitListTest, WaitersLeaveFromAnyPlace) {
  for (int leaves = 0; leaves < 4; ++leaves) {
    for (Waiter& waiter : waiters_) queue_.push_back(waiter);
    queue_.remove(waiters_[static_cast<std::size_t>(leaves)]);
    EXPECT_FALSE(waiters_[static_cast<std::size_t>(leaves)].linked);
    std::vector<int> expected{0, 1, 2, 3};
    expected.erase(expected.begin() + leaves);
    EXPECT_EQ(drain(), expected) << "without " << leaves;
  }
}

TEST_F(WaitListTest, LastToLeaveEmptiesItAndItCanBeFilledAgain) {
  queue_.push_back(waiters_[0]);
  queue_.remove(waiters_[0]);
  EXPECT_TRUE(queue_.empty());
  queue_.push_front(waiters_[1]);
  queue_.push_back(waiters_[0]);
  EXPECT_EQ(drain(), (std::vector{1, 0}));
}

// ---- Waiting.

// A list on which fibers wait, with the state 4 while they do.
class WaitingTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kState = 4;

  Wake wait(WaitList& list) {
    WaitQueue queue(list);
    queue.lock();
    Waiter waiter{.token = current_token()};
    queue.push_back(waiter);
    const Wake reason = queue.wait(waiter, kState);
    EXPECT_FALSE(waiter.linked);
    return reason;
  }

  BareScheduler scheduler_{{.workers = 1, .strict_fifo = true}};
};

TEST_F(WaitingTest, LockIsReleasedWithTheStateOnceTheWaiterSleeps) {
  scheduler_.run([&] {
    WaitList list;
    Fiber& self = *current_fiber();
    scheduler_.start([&] {
      WaitQueue queue(list);
      EXPECT_EQ(queue.lock(), kState);
      EXPECT_TRUE(self.word.waiting());
      Waiter* const waiter = queue.pop_front();
      queue.unlock(0);
      EXPECT_TRUE(wake(waiter->token));
    });
    EXPECT_EQ(wait(list), Wake::kNormal);
    EXPECT_EQ(list.word.load(), 0u) << "who was woken leaves the word alone";
  });
}

TEST_F(WaitingTest, CancelledWaiterTakesItselfOffAndKeepsTheState) {
  scheduler_.run([&] {
    WaitList list;
    Fiber& self = *current_fiber();
    scheduler_.start([&] { EXPECT_TRUE(cancel(self, self.word.current_epoch())); });
    EXPECT_EQ(wait(list), Wake::kCancelled);
    EXPECT_TRUE(WaitQueue(list).empty());
    EXPECT_EQ(list.word.load(), kState);
  });
}

TEST_F(WaitingTest, PendingCancellationTakesTheWaiterOffAgain) {
  scheduler_.run([&] {
    WaitList list;
    Fiber& self = *current_fiber();
    ASSERT_TRUE(cancel(self, self.word.current_epoch()));
    EXPECT_EQ(wait(list), Wake::kCancelled);
    EXPECT_TRUE(WaitQueue(list).empty());
    EXPECT_EQ(list.word.load(), kState);
  });
}

TEST_F(WaitingTest, WakerOfACancelledWaiterLearnsThatItIsTooLate) {
  scheduler_.run([&] {
    WaitList list;
    Fiber& self = *current_fiber();
    scheduler_.start([&] {
      WaitQueue queue(list);
      queue.lock();
      Waiter* const waiter = queue.pop_front();
      EXPECT_TRUE(cancel(self, self.word.current_epoch()));
      EXPECT_FALSE(wake(waiter->token)) << "so what it has goes to the next";
      queue.unlock(kState);
    });
    EXPECT_EQ(wait(list), Wake::kCancelled);
  });
}

TEST_F(WaitingTest, AllAreWokenInOrderHoweverMany) {
  for (const int count : {0, 1, 15, 16, 17, 32, 33, 100}) {
    WaitList list;
    std::vector<int> order;
    scheduler_.run([&] {
      for (int i = 0; i < count; ++i) {
        scheduler_.start([&, i] {
          EXPECT_EQ(wait(list), Wake::kNormal);
          order.push_back(i);
        });
      }
      yield_now();
      WaitQueue queue(list);
      queue.lock();
      queue.wake_all_and_unlock(2);
      EXPECT_EQ(list.word.load(), 2u);
      EXPECT_TRUE(queue.empty());
      yield_now();
    });
    ASSERT_EQ(order.size(), static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

// The list goes when the last waiter has returned, while whoever woke it may still be at it.
TEST(WaitQueueEnd, ListMayGoWhenAllHaveReturned) {
  const int rounds = support::on_valgrind() ? 200 : support::scaled(3000);
  for (const int waiters : {1, 20}) {
    for (int round = 0; round < rounds / waiters; ++round) {
      auto list = std::make_unique<WaitList>();
      Atomic<int> pushed{0};
      std::vector<std::thread> threads;
      for (int i = 0; i < waiters; ++i) {
        threads.emplace_back([&] {
          WaitQueue queue(*list);
          queue.lock();
          Waiter waiter{.token = current_token()};
          queue.push_back(waiter);
          pushed.fetch_add(1);
          EXPECT_EQ(queue.wait(waiter, 0), Wake::kNormal);
        });
      }
      std::thread waker([&pushed, waiters, list = list.get()] {
        while (pushed.load() < waiters) std::this_thread::yield();
        WaitQueue queue(*list);
        queue.lock();
        queue.wake_all_and_unlock(0);
      });
      for (std::thread& thread : threads) thread.join();
      list.reset();
      waker.join();
    }
  }
}

}  // namespace
}  // namespace weft::detail
