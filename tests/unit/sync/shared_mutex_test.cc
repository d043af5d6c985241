// Goal: readers share, writers exclude, nobody starves, and who is cancelled keeps nobody. Method:
// fibers on one worker for order; threads and several workers for the races.

#include <weft/shared_mutex.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/task_steps.h"

namespace {

const weft::Options kInOrder{.workers = 1, .fifo = true};

TEST(SharedMutex, IsForOneWriterOrManyReaders) {
  weft::SharedMutex mutex;
  {
    const std::shared_lock one(mutex), two(mutex);
    EXPECT_FALSE(mutex.try_lock());
    EXPECT_TRUE(mutex.try_lock_shared());
    mutex.unlock_shared();
  }
  {
    const std::unique_lock writer(mutex);
    EXPECT_FALSE(mutex.try_lock());
    EXPECT_FALSE(mutex.try_lock_shared());
  }
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

// Letters for readers, capitals for writers.
std::string order_of(const std::string& arrivals) {
  std::string order;
  weft::run(kInOrder, [&] {
    weft::SharedMutex mutex;
    mutex.lock();
    std::vector<weft::Task<void>> tasks;
    for (const char name : arrivals) {
      tasks.push_back(weft::spawn([&, name] {
        if (name >= 'a') {
          const std::shared_lock lock(mutex);
          order += name;
          weft::yield();
          order += '.';
        } else {
          const std::unique_lock lock(mutex);
          order += name;
          weft::yield();
          order += ';';
        }
      }));
    }
    weft::yield();
    mutex.unlock();
    weft::gather(tasks);
  });
  return order;
}

TEST(SharedMutex, LetsReadersInTogetherAndWritersInTurn) {
  EXPECT_EQ(order_of("abc"), "abc...");
  EXPECT_EQ(order_of("AB"), "A;B;");
  EXPECT_EQ(order_of("abAcdBe"), "ab..A;cd..B;e.");
}

TEST(SharedMutex, ReadersThatComeLaterWaitBehindAWriter) {
  weft::run(kInOrder, [] {
    weft::SharedMutex mutex;
    mutex.lock_shared();
    std::string order;
    const weft::Task<void> writer = weft::spawn([&] {
      const std::unique_lock lock(mutex);
      order += 'W';
    });
    weft::yield();
    EXPECT_FALSE(mutex.try_lock_shared());
    const weft::Task<void> reader = weft::spawn([&] {
      const std::shared_lock lock(mutex);
      order += 'r';
    });
    weft::yield();
    EXPECT_EQ(order, "");
    mutex.unlock_shared();
    writer.join();
    reader.join();
    EXPECT_EQ(order, "Wr");
  });
}

TEST(SharedMutex, AWriterThatIsCancelledKeepsNoReaders) {
  weft::run(kInOrder, [] {
    weft::SharedMutex mutex;
    mutex.lock_shared();
    const weft::Task<void> writer = weft::spawn([&] { const std::unique_lock lock(mutex); });
    const weft::Task<void> reader = weft::spawn([&] { const std::shared_lock lock(mutex); });
    weft::yield();
    writer.cancel();
    reader.join();  // although the other reader still has the lock
    EXPECT_TRUE(writer.cancelled());
    EXPECT_FALSE(reader.cancelled());
    mutex.unlock_shared();
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST(SharedMutex, WhoIsLetInAndCancelledGivesItBack) {
  weft::run(kInOrder, [] {
    weft::SharedMutex mutex;
    mutex.lock();
    const weft::Task<void> first = weft::spawn([&] { const std::unique_lock lock(mutex); });
    const weft::Task<void> second = weft::spawn([&] { const std::unique_lock lock(mutex); });
    weft::yield();
    mutex.unlock();
    first.cancel();  // it has the lock, and has not run
    second.join();
    EXPECT_TRUE(first.cancelled());
    EXPECT_FALSE(second.cancelled());
  });
}

TEST(SharedMutex, ManyReadersComeInAtOnce) {
  weft::run([] {
    weft::SharedMutex mutex;
    mutex.lock();
    std::atomic<int> inside{0};
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 100; ++i) {
      tasks.push_back(weft::spawn([&] {
        const std::shared_lock lock(mutex);
        ++inside;
        while (inside < 100) weft::yield();
      }));
    }
    for (int i = 0; i < 5; ++i) weft::yield();
    mutex.unlock();
    weft::gather(tasks);
  });
}

TEST(SharedMutex, ExcludesAmongFibersAndThreads) {
  weft::Runtime runtime;
  weft::SharedMutex mutex;
  long one = 0, two = 0;
  const auto work = [&] {
    for (int i = 0; i < 300; ++i) {
      if (i % 4 == 0) {
        const std::unique_lock lock(mutex);
        ++one;
        if (i % 32 == 0) weft::yield();
        ++two;
      } else {
        const std::shared_lock lock(mutex);
        EXPECT_EQ(one, two);
        if (i % 33 == 0) weft::yield();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back(work);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 6; ++i) tasks.push_back(runtime.post(work));
    for (const auto& task : tasks) task.join();
  }
  EXPECT_EQ(one, 8 * 75);
}

}  // namespace
