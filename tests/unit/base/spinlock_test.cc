// Goal: one holder at a time, and progress even when the holder loses its processor. Method: plain
// memory that every holder changes, which the thread sanitizer watches, and more threads than
// cores.

#include "base/spinlock.h"

#include <gtest/gtest.h>

#include <mutex>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/watchdog.h"

namespace weft::detail {
namespace {

TEST(Spinlock, TryLockTellsWhetherItIsTaken) {
  Spinlock lock;
  EXPECT_TRUE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock());
  EXPECT_FALSE(lock.try_lock()) << "a failed attempt must not release it";
  lock.unlock();
  EXPECT_TRUE(lock.try_lock());
  lock.unlock();
}

TEST(Spinlock, WorksWithTheStandardGuards) {
  Spinlock lock;
  {
    const std::lock_guard guard(lock);
    EXPECT_FALSE(lock.try_lock());
  }
  std::unique_lock guard(lock, std::try_to_lock);
  EXPECT_TRUE(guard.owns_lock());
}

TEST(Spinlock, ExcludesOthersAndPassesOnWhatWasWritten) {
  constexpr unsigned kThreads = 8;
  const int rounds = support::scaled(100'000);
  support::Watchdog watchdog("eight threads and a spinlock", std::chrono::seconds(30));
  Spinlock lock;
  long first = 0;
  long second = 0;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < rounds; ++round) {
        const std::lock_guard guard(lock);
        ASSERT_EQ(first, second) << "another thread is half way through";
        ++first;
        // The holder gives its processor away, as if it had been preempted.
        if (i == 0 && round % 1000 == 0) std::this_thread::yield();
        ++second;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(first, long{kThreads} * rounds);
}

}  // namespace
}  // namespace weft::detail
