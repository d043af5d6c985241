// Goal: no notification is lost, the lock is held again however wait leaves, and what a cancelled
// waiter was given goes to another. Method: fibers on one worker for order; threads and several
// workers for the races.

#include <weft/condition_variable.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;

const weft::Options kInOrder{.workers = 1, .fifo = true};

template <class M>
class ConditionVariableTest : public testing::Test {
 protected:
  M mutex_;
  weft::ConditionVariable changed_;
};
using Mutexes = testing::Types<weft::Mutex, weft::FairMutex>;
TYPED_TEST_SUITE(ConditionVariableTest, Mutexes);

TYPED_TEST(ConditionVariableTest, WakesInTheOrderOfArrival) {
  weft::run(kInOrder, [this] {
    std::vector<int> order;
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(weft::spawn([&, i] {
        std::unique_lock lock(this->mutex_);
        this->changed_.wait(lock);
        EXPECT_TRUE(lock.owns_lock());
        order.push_back(i);
      }));
    }
    weft::yield();
    this->changed_.notify_one();
    for (int i = 0; i < 4; ++i) weft::yield();
    EXPECT_EQ(order, std::vector<int>{0});
    this->changed_.notify_all();
    weft::gather(tasks);
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
    this->changed_.notify_one();  // nobody waits: it is not kept
  });
}

TYPED_TEST(ConditionVariableTest, HoldsTheLockWhenItIsCancelled) {
  weft::run(kInOrder, [this] {
    const weft::Task<void> waiter = weft::spawn([this] {
      std::unique_lock lock(this->mutex_);
      try {
        this->changed_.wait(lock);
        ADD_FAILURE() << "nobody notified";
      } catch (const weft::Cancelled&) {
        EXPECT_TRUE(lock.owns_lock());
        EXPECT_FALSE(this->mutex_.try_lock());
        throw;
      }
    });
    weft::yield();
    this->mutex_.lock();
    waiter.cancel();
    for (int i = 0; i < 5; ++i) weft::yield();
    EXPECT_FALSE(waiter.done()) << "it waits for the lock, cancelled or not";
    waiter.cancel();
    this->mutex_.unlock();
    waiter.join();
    EXPECT_TRUE(waiter.cancelled());
  });
}

// Two requests, told at once: that of before, and that of the time limit while it locked.
TYPED_TEST(ConditionVariableTest, ARequestOfBeforeStaysACancellationThoughTheTimeIsUp) {
  using namespace std::chrono_literals;
  weft::run(kInOrder, [this] {
    bool timed_out = false;
    const weft::Task<void> waiter = weft::spawn([&] {
      std::unique_lock lock(this->mutex_);
      const weft::Task<void> holder = weft::spawn([&] {
        this->mutex_.lock();
        weft::sleep_for(60ms);
        this->mutex_.unlock();
      });
      weft::sleep_for(3ms);  // it has waited long enough to be handed the lock
      weft::this_task::cancel();
      try {
        weft::timeout(20ms, [&] { this->changed_.wait(lock); });
      } catch (const weft::TimeoutError&) {
        timed_out = true;
      }
    });
    waiter.join();
    EXPECT_FALSE(timed_out);
    EXPECT_TRUE(waiter.cancelled());
  });
}

TYPED_TEST(ConditionVariableTest, PassesANotificationOnWhenItIsCancelled) {
  weft::run(kInOrder, [this] {
    const auto wait = [this] {
      std::unique_lock lock(this->mutex_);
      this->changed_.wait(lock);
    };
    for (const bool while_locking : {false, true}) {
      const weft::Task<void> first = weft::spawn(wait), second = weft::spawn(wait);
      weft::yield();
      if (while_locking) this->mutex_.lock();
      this->changed_.notify_one();
      if (while_locking) {
        weft::yield();  // it goes for the lock
        first.cancel();
        this->mutex_.unlock();
      } else {
        first.cancel();
      }
      second.join();
      first.join();
      EXPECT_TRUE(first.cancelled());
      EXPECT_FALSE(second.cancelled());
    }
  });
}

TYPED_TEST(ConditionVariableTest, WaitsUntilTheConditionHolds) {
  weft::run([this] {
    int value = 0;
    weft::Task<void> waiter = weft::spawn([&] {
      std::unique_lock lock(this->mutex_);
      this->changed_.wait(lock, [&] { return value == 3; });
      EXPECT_EQ(value, 3);
    });
    for (int i = 0; i < 3; ++i) {
      weft::yield();
      const std::lock_guard lock(this->mutex_);
      ++value;
      this->changed_.notify_all();
    }
    waiter.get();
  });
}

TYPED_TEST(ConditionVariableTest, NeedsTheLock) {
  std::unique_lock lock(this->mutex_, std::defer_lock);
  EXPECT_THROW(this->changed_.wait(lock), std::logic_error);
}

// Tokens go round among fibers and threads by notify_one: one that is lost stops everything.
TYPED_TEST(ConditionVariableTest, LosesNoNotificationBetweenFibersAndThreads) {
  weft::Runtime runtime;
  int items = 0, taken = 0;
  constexpr int kEach = 500, kConsumers = 4;
  const auto consume = [&] {
    for (int i = 0; i < kEach; ++i) {
      std::unique_lock lock(this->mutex_);
      this->changed_.wait(lock, [&] { return items > 0; });
      --items;
      ++taken;
    }
  };
  {
    std::jthread one(consume), two(consume);
    const weft::Task<void> three = runtime.post(consume), four = runtime.post(consume);
    runtime.run([&] {
      for (int i = 0; i < kEach * kConsumers; ++i) {
        const std::lock_guard lock(this->mutex_);
        ++items;
        this->changed_.notify_one();
      }
    });
    three.join();
    four.join();
  }
  EXPECT_EQ(taken, kEach * kConsumers);
}

}  // namespace
