// Goal: a barrier lets its parties through together, round after round; broken or reset, it tells
// all. Method: fibers on one worker for order; several workers and threads for many rounds.

#include <weft/barrier.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/task_steps.h"

namespace {

const weft::Options kInOrder{.workers = 1, .fifo = true};

TEST(Barrier, LetsAllThroughWhenTheLastHasCome) {
  weft::run(kInOrder, [] {
    weft::Barrier barrier(3);
    EXPECT_EQ(barrier.parties(), 3u);
    std::set<std::size_t> places;
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 2; ++i) {
      tasks.push_back(weft::spawn([&] { places.insert(barrier.wait()); }));
    }
    for (int i = 0; i < 3; ++i) weft::yield();
    EXPECT_EQ(barrier.waiting(), 2u);
    EXPECT_TRUE(places.empty());
    EXPECT_EQ(barrier.wait(), 2u) << "the last to come";
    weft::gather(tasks);
    EXPECT_EQ(places, (std::set<std::size_t>{0, 1}));
    EXPECT_EQ(barrier.waiting(), 0u);
  });
}

TEST(Barrier, RefusesToWaitForNobody) {
  EXPECT_THROW(weft::Barrier(0), std::invalid_argument);
  weft::Barrier alone(1);
  EXPECT_EQ(alone.wait(), 0u);
  EXPECT_EQ(alone.wait(), 0u);
}

TEST(Barrier, AbortTellsAllUntilItIsReset) {
  weft::run(kInOrder, [] {
    weft::Barrier barrier(2);
    const weft::Task<void> waits =
        weft::spawn([&] { EXPECT_THROW(barrier.wait(), weft::BrokenBarrier); });
    weft::yield();
    barrier.abort();
    EXPECT_TRUE(barrier.broken());
    EXPECT_THROW(barrier.wait(), weft::BrokenBarrier);
    waits.join();
    barrier.reset();
    EXPECT_FALSE(barrier.broken());
    const weft::Task<void> again = weft::spawn([&] { barrier.wait(); });
    barrier.wait();
    again.join();
  });
}

TEST(Barrier, ResetTellsThoseInsideAndStartsAnew) {
  weft::run(kInOrder, [] {
    weft::Barrier barrier(2);
    int told = 0;
    const weft::Task<void> waits = weft::spawn([&] {
      EXPECT_THROW(barrier.wait(), weft::BrokenBarrier);
      ++told;
    });
    weft::yield();
    barrier.reset();
    EXPECT_FALSE(barrier.broken());
    const weft::Task<void> next = weft::spawn([&] { barrier.wait(); });
    barrier.wait();
    next.join();
    waits.join();
    EXPECT_EQ(told, 1);
    barrier.reset();  // nobody is inside
    EXPECT_EQ(barrier.waiting(), 0u);
  });
}

TEST(Barrier, WhoIsCancelledIsAsIfItHadNotCome) {
  weft::run(kInOrder, [] {
    weft::Barrier barrier(2);
    const weft::Task<void> leaves = weft::spawn([&] { barrier.wait(); });
    weft::yield();
    EXPECT_EQ(barrier.waiting(), 1u);
    leaves.cancel();
    leaves.join();
    EXPECT_TRUE(leaves.cancelled());
    EXPECT_EQ(barrier.waiting(), 0u);
    EXPECT_FALSE(barrier.broken());
  });
}

TEST(Barrier, KeepsRoundsApart) {
  weft::Runtime runtime;
  constexpr int kParties = 5, kRounds = 100;
  weft::Barrier barrier(kParties);
  std::atomic<int> arrived{0}, firsts{0};
  const auto work = [&] {
    for (int round = 1; round <= kRounds; ++round) {
      ++arrived;
      if (barrier.wait() == 0) ++firsts;
      EXPECT_GE(arrived, round * kParties);
      EXPECT_LE(arrived, (round + 1) * kParties);
    }
  };
  {
    std::jthread one(work), two(work);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < kParties - 2; ++i) tasks.push_back(runtime.post(work));
    for (const auto& task : tasks) task.join();
  }
  EXPECT_EQ(firsts, kRounds);
}

}  // namespace
