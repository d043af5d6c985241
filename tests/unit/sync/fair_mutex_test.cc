// Goal: a fair mutex excludes, is handed on in the order of arrival, and survives cancellation.
// Method: fibers on one worker for order; threads and several workers for the races.

#include <weft/fair_mutex.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <mutex>
#include <thread>
#include <vector>

#include "support/task_steps.h"

namespace {

const weft::Options kInOrder{.workers = 1, .fifo = true};

TEST(FairMutex, IsLockable) {
  weft::FairMutex mutex;
  {
    const std::lock_guard lock(mutex);
    EXPECT_FALSE(mutex.try_lock());
  }
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
  weft::FairMutex other;
  const std::scoped_lock both(mutex, other);
}

TEST(FairMutex, IsHandedOnInTheOrderOfArrival) {
  weft::run(kInOrder, [] {
    weft::FairMutex mutex;
    std::vector<int> order;
    mutex.lock();
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(weft::spawn([&, i] {
        const std::lock_guard lock(mutex);
        order.push_back(i);
        weft::yield();
      }));
    }
    weft::yield();
    mutex.unlock();
    EXPECT_FALSE(mutex.try_lock()) << "it is the first waiter's already";
    mutex.lock();
    order.push_back(9);
    mutex.unlock();
    weft::gather(tasks);
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 9}));
  });
}

TEST(FairMutex, CancelledWaitersPassItOn) {
  weft::run(kInOrder, [] {
    weft::FairMutex mutex;
    const auto lock = [&] { const std::lock_guard guard(mutex); };
    mutex.lock();
    const weft::Task<void> early = weft::spawn(lock), late = weft::spawn(lock),
                           last = weft::spawn(lock);
    weft::yield();
    early.cancel();  // while it waits
    mutex.unlock();
    late.cancel();  // it has been handed the lock, and has not run
    last.join();
    EXPECT_TRUE(early.cancelled());
    EXPECT_TRUE(late.cancelled());
    EXPECT_FALSE(last.cancelled());
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST(FairMutex, ExcludesFibersAndThreads) {
  weft::Runtime runtime;
  weft::FairMutex mutex;
  long count = 0;
  const auto work = [&] {
    for (int i = 0; i < 300; ++i) {
      const std::lock_guard lock(mutex);
      const long before = count;
      if (i % 16 == 0) weft::yield();
      count = before + 1;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back(work);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 6; ++i) tasks.push_back(runtime.post(work));
    for (const auto& task : tasks) task.join();
  }
  EXPECT_EQ(count, 8 * 300);
}

}  // namespace
