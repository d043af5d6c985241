// Goal: permits are taken in order of arrival, never more than there are, and none is lost with who
// is cancelled. Method: fibers on one worker for order; threads and several workers for the races,
// which the sanitizers watch.

#include <weft/semaphore.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;

const weft::Options kInOrder{.workers = 1, .fifo = true};

TEST(Semaphore, GivesAsManyPermitsAsThereAre) {
  weft::Semaphore semaphore(2);
  EXPECT_EQ(semaphore.available(), 2u);
  semaphore.acquire();
  EXPECT_TRUE(semaphore.try_acquire());
  EXPECT_FALSE(semaphore.try_acquire());
  EXPECT_EQ(semaphore.available(), 0u);
  semaphore.release();
  EXPECT_TRUE(semaphore.try_acquire());
  semaphore.release(5);
  EXPECT_EQ(semaphore.available(), 5u);
  semaphore.release(0);
  EXPECT_EQ(semaphore.available(), 5u);
}

TEST(Semaphore, HoldsAPermitForAScope) {
  weft::Semaphore semaphore(1);
  {
    const auto permit = semaphore.hold();
    EXPECT_EQ(semaphore.available(), 0u);
  }
  EXPECT_EQ(semaphore.available(), 1u);
}

TEST(Semaphore, ServesInTheOrderOfArrival) {
  weft::run(kInOrder, [] {
    weft::Semaphore semaphore(0);
    std::vector<int> order;
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 5; ++i) {
      tasks.push_back(weft::spawn([&, i] {
        semaphore.acquire();
        order.push_back(i);
      }));
    }
    weft::yield();
    semaphore.release(2);
    EXPECT_FALSE(semaphore.try_acquire()) << "it would overtake";
    weft::yield();
    EXPECT_EQ(order, (std::vector<int>{0, 1}));
    semaphore.release(4);
    weft::gather(tasks);
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
    EXPECT_EQ(semaphore.available(), 1u);
  });
}

TEST(Semaphore, WakesMoreThanFitIntoOneBatch) {
  weft::run([] {
    weft::Semaphore semaphore(0);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(weft::spawn([&] { semaphore.acquire(); }));
    for (int i = 0; i < 5; ++i) weft::yield();
    semaphore.release(103);
    weft::gather(tasks);
    EXPECT_EQ(semaphore.available(), 3u);
  });
}

TEST(Semaphore, CancelledWaiterTakesNothing) {
  weft::run(kInOrder, [] {
    weft::Semaphore semaphore(0);
    const auto acquire = [&] { semaphore.acquire(); };
    const weft::Task<void> first = weft::spawn(acquire), second = weft::spawn(acquire);
    weft::yield();
    first.cancel();
    semaphore.release();
    second.join();
    first.join();
    EXPECT_TRUE(first.cancelled());
    EXPECT_FALSE(second.cancelled());
    EXPECT_EQ(semaphore.available(), 0u);
    semaphore.release();
    EXPECT_TRUE(semaphore.try_acquire());
  });
}

TEST(Semaphore, PermitThatCollidesWithACancelGoesToTheNext) {
  weft::run(kInOrder, [] {
    weft::Semaphore semaphore(0);
    const auto acquire = [&] { semaphore.acquire(); };
    const weft::Task<void> first = weft::spawn(acquire), second = weft::spawn(acquire);
    weft::yield();
    semaphore.release();
    first.cancel();  // it has the permit, and has not run
    second.join();
    first.join();
    EXPECT_TRUE(first.cancelled());
    EXPECT_FALSE(second.cancelled());
  });
}

TEST(Semaphore, RefusesTooMany) {
  EXPECT_THROW(weft::Semaphore(weft::Semaphore::kMost + 1), std::invalid_argument);
  weft::Semaphore full(weft::Semaphore::kMost);
  EXPECT_THROW(full.release(), std::logic_error);
  EXPECT_EQ(full.available(), weft::Semaphore::kMost);
  weft::BoundedSemaphore bounded(2);
  EXPECT_THROW(bounded.release(), std::logic_error);
  bounded.acquire();
  EXPECT_THROW(bounded.release(2), std::logic_error);
  bounded.release();
  EXPECT_EQ(bounded.available(), 2u);
}

TEST(Semaphore, NeverLetsMoreInThanItHasPermits) {
  weft::Runtime runtime;
  weft::BoundedSemaphore semaphore(3);
  std::atomic<int> inside{0}, most{0}, total{0};
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      const auto permit = semaphore.hold();
      const int now = ++inside;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      if (i % 8 == 0) weft::yield();
      ++total;
      --inside;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 2; ++i) threads.emplace_back(work);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 8; ++i) tasks.push_back(runtime.post(work));
    for (const auto& task : tasks) task.join();
  }
  EXPECT_EQ(total, 10 * 200);
  EXPECT_LE(most, 3);
  EXPECT_EQ(semaphore.available(), 3u);
}

TEST(Semaphore, MayGoWhenTheLastWaitIsOver) {
  weft::Runtime runtime;
  for (int i = 0; i < 300; ++i) {
    auto semaphore = std::make_unique<weft::Semaphore>(0);
    weft::Semaphore& shared = *semaphore;
    const weft::Task<void> task = runtime.post([&shared] { shared.release(); });
    semaphore->acquire();
    semaphore.reset();
    task.join();
  }
}

}  // namespace
