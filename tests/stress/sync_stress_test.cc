// Goal: whatever is asked of the primitives, and whoever is cancelled meanwhile, what they protect
// is one's at a time, what they count is neither lost nor made, and nobody waits for what is there.
// Method: fibers and threads do random operations on one of them, while cancellations rain on the
// fibers; the books must balance at the end, which must come.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "support/rounds.h"
#include "support/seed.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Random;
using support::scaled;

constexpr auto kTime = 600ms;

std::chrono::microseconds some_microseconds(Random& random) {
  return std::chrono::microseconds(random.below(100));
}

/// Fibers and threads that all do the same, so many times. What an operation throws when it is
/// cancelled, or has a limit and is too late, ends the operation.
class Crew {
 public:
  explicit Crew(std::uint64_t stream)
      : random_(stream), stream_(stream), members_(2 + random_.below(6)) {}

  int members() const { return members_; }
  Random& random() { return random_; }

  template <class F>
  void work(int operations, F&& operation) {
    constexpr unsigned kWorkers[] = {1, 2, 4};
    weft::Options options{.workers = kWorkers[random_.below(3)]};
    options.on_lost_exception = [](const weft::LostException&) { ADD_FAILURE(); };
    weft::run(options, [&] {
      support::Arrivals arrivals(members_);
      std::atomic<int> left{members_};
      std::vector<std::thread> threads;
      std::vector<weft::Task<void>> tasks;
      for (int member = 0; member < members_; ++member) {
        const auto body = [&, member] {
          arrivals.arrive();
          Random random(stream_ + 1 + static_cast<std::uint64_t>(member));
          for (int i = operations / members_; i > 0; --i)
            attempt([&] { operation(random, member); });
          --left;
        };
        if (random_.one_in(4)) {
          threads.emplace_back(body);
        } else {
          tasks.push_back(weft::spawn(body));
        }
      }
      arrivals.wait();  // who is cancelled before that takes no part
      while (left > 0) {
        weft::sleep_for(some_microseconds(random_));
        if (tasks.empty()) continue;
        tasks[static_cast<std::size_t>(random_.below(static_cast<int>(tasks.size())))].cancel();
      }
      for (weft::Task<void>& task : tasks) task.join();
      weft::to_thread([&] {
        for (std::thread& thread : threads) thread.join();
      });
    });
  }

  /// Calls it again until it has not been cancelled.
  template <class F>
  static void insist(F&& operation) {
    while (!attempt(operation)) {
    }
  }

 private:
  template <class F>
  static bool attempt(F&& operation) {
    try {
      operation();
      return true;
    } catch (const weft::Cancelled&) {
    } catch (const weft::TimeoutError&) {
    }
    return false;
  }

  Random random_;
  const std::uint64_t stream_;
  const int members_;
};

template <class M>
class LockStress : public testing::Test {};
using Locks = testing::Types<weft::Mutex, weft::FairMutex, weft::SharedMutex>;
TYPED_TEST_SUITE(LockStress, Locks);

TYPED_TEST(LockStress, OneAtATimeHoldsIt) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Crew crew(stream);
    TypeParam mutex;
    long held = 0;  // under the mutex
    std::atomic<long> expected{0};
    crew.work(scaled(40'000), [&](Random& random, int) {
      if (random.one_in(8)) {
        if (!mutex.try_lock()) return;
      } else {
        mutex.lock();
      }
      ++held;
      mutex.unlock();
      ++expected;
    });
    ASSERT_EQ(held, expected);
    ASSERT_TRUE(mutex.try_lock()) << "nobody has it any more";
    mutex.unlock();
  });
}

TEST(SharedMutexStress, ReadersSeeNoWriter) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Crew crew(stream);
    weft::SharedMutex mutex;
    long one = 0, other = 0;  // equal, unless a writer is at it
    crew.work(scaled(40'000), [&](Random& random, int) {
      if (random.one_in(3)) {
        const std::lock_guard lock(mutex);
        ++one;
        ++other;
      } else {
        const std::shared_lock lock(mutex);
        EXPECT_EQ(one, other);
      }
    });
    ASSERT_TRUE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST(SemaphoreStress, PermitsAreConserved) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Crew crew(stream);
    const int permits = 1 + crew.random().below(3);
    weft::BoundedSemaphore semaphore(static_cast<std::size_t>(permits));
    std::atomic<int> holders{0};
    crew.work(scaled(40'000), [&](Random& random, int) {
      if (random.one_in(8)) {
        if (!semaphore.try_acquire()) return;
      } else {
        semaphore.acquire();
      }
      EXPECT_LE(++holders, permits);
      if (random.one_in(4)) std::this_thread::yield();
      --holders;
      semaphore.release();
    });
    EXPECT_EQ(semaphore.available(), static_cast<std::size_t>(permits));
    EXPECT_THROW(semaphore.release(), std::logic_error);
  });
}

template <class M>
class ConditionStress : public testing::Test {};
using Mutexes = testing::Types<weft::Mutex, weft::FairMutex>;
TYPED_TEST_SUITE(ConditionStress, Mutexes);

// Permits made of a mutex and a condition: a notification that is lost lets somebody sleep for
// ever.
TYPED_TEST(ConditionStress, NoNotificationIsLost) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Crew crew(stream);
    TypeParam mutex;
    weft::ConditionVariable changed;
    int permits = 1 + crew.random().below(2);  // under the mutex
    const int all = permits;
    crew.work(scaled(20'000), [&](Random& random, int) {
      {
        std::unique_lock lock(mutex);
        try {
          changed.wait(lock, [&] { return permits > 0; });
        } catch (...) {
          EXPECT_TRUE(lock.owns_lock());
          throw;
        }
        --permits;
      }
      Crew::insist([&] {
        const std::lock_guard lock(mutex);
        ++permits;
        if (random.one_in(8)) {
          changed.notify_all();
        } else {
          changed.notify_one();
        }
      });
    });
    EXPECT_EQ(permits, all);
  });
}

template <class Q>
class QueueStress : public testing::Test {};
using Queues = testing::Types<weft::Queue<int>, weft::LifoQueue<int>, weft::PriorityQueue<int>>;
TYPED_TEST_SUITE(QueueStress, Queues);

// Whoever has put one in gets one out: while somebody cannot put, there is one who can get.
TYPED_TEST(QueueStress, WhatIsPutIsGotOnce) {
  support::for_rounds(kTime / 2, [](std::uint64_t stream) {
    Crew crew(stream);
    TypeParam queue(static_cast<std::size_t>(crew.random().below(3)));
    std::atomic<long> put{0}, got{0}, calls{0};
    crew.work(scaled(20'000), [&](Random& random, int) {
      const int item = random.below(1'000);
      queue.put(item);
      put += item;
      Crew::insist([&] { got += queue.get(); });
      Crew::insist([&] { queue.task_done(); });
      ++calls;
    });
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(put, got);
    weft::run([&] { queue.join(); });
    EXPECT_THROW(queue.task_done(), std::logic_error);
  });
}

TEST(SelectStress, EveryItemThatWasSentIsReceivedOnce) {
  support::for_rounds(kTime * 2, [](std::uint64_t stream) {
    Crew crew(stream);
    std::vector<std::unique_ptr<weft::Channel<std::size_t>>> channels;
    for (int i = 0; i < 3; ++i) {
      const auto capacity = static_cast<std::size_t>(crew.random().below(3));
      channels.push_back(std::make_unique<weft::Channel<std::size_t>>(capacity));
    }
    const int operations = scaled(30'000);
    std::vector<std::atomic<signed char>> balance(static_cast<std::size_t>(operations));
    std::atomic<std::size_t> next{0};
    const auto receive = [&](std::optional<std::size_t> item) { --balance[item.value()]; };
    crew.work(operations, [&](Random& random, int) {
      const auto some = [&]() -> weft::Channel<std::size_t>& {
        return *channels[static_cast<std::size_t>(random.below(3))];
      };
      const std::size_t item = next++;
      const auto sent = [&] { ++balance[item]; };
      switch (random.below(4)) {
        case 0:  // any two of them, which may be the same
          weft::select(weft::receive_from(some(), receive), weft::send_to(some(), item, sent),
                       weft::after(some_microseconds(random)));
          break;
        case 1:
          weft::select(weft::receive_from(some(), receive), weft::receive_from(some(), receive),
                       weft::after(some_microseconds(random)));
          break;
        case 2:
          weft::select(weft::send_to(some(), item, sent), weft::send_to(some(), item, sent),
                       weft::send_to(some(), item, sent), weft::after(some_microseconds(random)));
          break;
        default:
          weft::select(weft::receive_from(some(), receive).when(random.one_in(2)),
                       weft::send_to(some(), item, sent), weft::otherwise());
      }
    });
    for (const auto& channel : channels) {
      EXPECT_FALSE(channel->capacity() == 0 && channel->try_send(0)) << "somebody still waits";
      while (const auto item = channel->try_receive()) --balance[*item];
    }
    for (const auto& count : balance) ASSERT_EQ(count, 0);
  });
}

}  // namespace
