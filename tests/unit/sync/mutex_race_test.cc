// Goal: one holder at a time, whatever mix of fibers and threads, and nobody waits for ever,
// although waiters are cancelled, holders migrate, and the last holder destroys the mutex. Method:
// races on several workers, over plain memory that the sanitizers watch, with a watchdog.

#include <weft/error.h>
#include <weft/mutex.h>

#include <gtest/gtest.h>

#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/process_state.h"
#include "support/watchdog.h"

namespace weft {
namespace {

using detail::current_fiber;
using detail::Fiber;
using detail::yield_now;
using support::BareScheduler;

TEST(MutexRace, FibersAndThreadsExcludeEachOther) {
  const int rounds = support::scaled(20'000);
  constexpr int kFibers = 20;
  constexpr int kThreads = 3;
  support::Watchdog watchdog("fibers and threads with one mutex", std::chrono::seconds(30));
  BareScheduler scheduler(2);
  Mutex mutex;
  long first = 0;  // plain memory, for the thread sanitizer too
  long second = 0;
  const auto work = [&](bool lets_others_run) {
    for (int round = 0; round < rounds; ++round) {
      const std::lock_guard guard(mutex);
      ASSERT_EQ(first, second);
      ++first;
      if (lets_others_run && round % 64 == 0) yield_now();
      ++second;
    }
  };
  std::latch ended(kFibers);
  for (int i = 0; i < kFibers; ++i) {
    scheduler.start([&] {
      work(true);
      ended.count_down();
    });
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, false);
  for (std::thread& thread : threads) thread.join();
  ended.wait();
  EXPECT_EQ(first, long{kFibers + kThreads} * rounds);
}

TEST(MutexRace, TwoLocksTakenTogetherDoNotDeadlock) {
  const int rounds = support::scaled(2000);
  support::Watchdog watchdog("scoped_lock over two", std::chrono::seconds(30));
  BareScheduler scheduler(2);
  Mutex left;
  Mutex right;
  long both = 0;
  std::latch ended(6);
  for (int i = 0; i < 6; ++i) {
    scheduler.start([&, i] {
      for (int round = 0; round < rounds; ++round) {
        if (i % 2 == 0) {
          const std::scoped_lock guard(left, right);
          ++both;
        } else {
          const std::scoped_lock guard(right, left);
          ++both;
        }
      }
      ended.count_down();
    });
  }
  ended.wait();
  EXPECT_EQ(both, 6L * rounds);
}

TEST(MutexRace, IsUnlockedOnAnotherThreadThanItWasLockedOn) {
  BareScheduler scheduler(2);
  Mutex mutex;
  scheduler.run([&] {
    for (int i = 0; i < 20; ++i) {
      mutex.lock();
      const int thread = support::thread_id();
      support::move_to(scheduler, 1 - detail::current_worker()->index());
      EXPECT_NE(support::thread_id(), thread);
      mutex.unlock();
    }
    EXPECT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

// Waiters are cancelled all the time, and yet every other one gets through.
TEST(MutexRace, CancellationsLoseNeitherTheLockNorAWakeUp) {
  const int rounds = support::scaled(3000);
  support::Watchdog watchdog("waiters that are cancelled", std::chrono::seconds(30));
  BareScheduler scheduler(2);
  Mutex mutex;
  long inside = 0;
  detail::Atomic<long> locked{0};
  detail::Atomic<long> cancelled{0};
  for (int round = 0; round < rounds; ++round) {
    constexpr int kWaiters = 4;
    std::latch ended(kWaiters);
    detail::Atomic<Fiber*> victim{nullptr};
    mutex.lock();  // by this thread
    for (int i = 0; i < kWaiters; ++i) {
      scheduler.start([&, i] {
        if (i == 1) victim = current_fiber();
        try {
          const std::lock_guard guard(mutex);
          ++inside;
          locked.fetch_add(1);
        } catch (const Cancelled&) {
          cancelled.fetch_add(1);
        }
        ended.count_down();
      });
    }
    Fiber* fiber = nullptr;
    while ((fiber = victim.load()) == nullptr) std::this_thread::yield();
    std::thread canceller;
    if (round % 8 == 0) {
      canceller = std::thread([fiber] { detail::cancel(*fiber, fiber->word.current_epoch()); });
      mutex.unlock();
      canceller.join();
    } else {
      mutex.unlock();
      detail::cancel(*fiber, fiber->word.current_epoch());
    }
    ended.wait();
    watchdog.progress();
  }
  EXPECT_EQ(locked + cancelled, 4L * rounds);
  EXPECT_EQ(inside, locked);
}

TEST(MutexRace, MayBeDestroyedByWhoeverHasItLast) {
  const int rounds = support::scaled(10'000);
  BareScheduler scheduler(2);
  for (int round = 0; round < rounds; ++round) {
    auto* const mutex = new Mutex;
    std::latch ended(1);
    mutex->lock();
    scheduler.start([&ended, mutex] {
      mutex->lock();
      mutex->unlock();
      delete mutex;  // the thread below is done with it, though perhaps not with its unlock()
      ended.count_down();
    });
    if (round % 2 == 0) std::this_thread::yield();
    mutex->unlock();
    ended.wait();
  }
}

}  // namespace
}  // namespace weft
