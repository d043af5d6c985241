// Goal: the census says when all fibers have ended, and wakes who waits for that. The interleavings
// are in tests/model/.

#include "sched/census.h"

#include <gtest/gtest.h>

#include <thread>

#include "time/clock.h"

namespace weft::detail {
namespace {

class CensusTest : public testing::Test {
 protected:
  CensusTest() {
    census_.add(first_);
    census_.add(second_);
  }

  FiberTally first_, second_;
  Census census_;
};

TEST_F(CensusTest, NobodyIsLeftAtFirst) {
  EXPECT_TRUE(census_.look().all_ended);
  EXPECT_EQ(census_.counts().started, 0u);
  EXPECT_EQ(census_.counts().ended, 0u);
}

TEST_F(CensusTest, AddsUpWorkersAndOtherThreads) {
  first_.started.add(3);
  second_.started.add();
  {
    const Census::OutsideCall call(census_);
    call.count_start();
  }
  census_.count_end(first_);
  EXPECT_EQ(census_.counts().started, 5u);
  EXPECT_EQ(census_.counts().ended, 1u);
  EXPECT_FALSE(census_.look().all_ended);
}

TEST_F(CensusTest, FiberMayEndOnAnotherWorker) {
  first_.started.add();
  EXPECT_FALSE(census_.look().all_ended);
  census_.count_end(second_);
  EXPECT_TRUE(census_.look().all_ended);
}

TEST_F(CensusTest, EndSinceTheLookEndsTheWait) {
  first_.started.add(2);
  census_.close();
  const Census::Look look = census_.look();
  census_.count_end(first_);
  census_.wait(look, kNever);  // would never end
  EXPECT_FALSE(census_.look().all_ended);
}

TEST_F(CensusTest, WaitEndsWithAFiberOrItsDeadline) {
  first_.started.add();
  census_.close();
  const Nanos deadline = now() + 2'000'000;
  while (now() < deadline) census_.wait(census_.look(), deadline);  // may end early

  std::thread worker([this] { census_.count_end(first_); });
  for (Census::Look look = census_.look(); !look.all_ended; look = census_.look()) {
    census_.wait(look, kNever);
  }
  worker.join();
}

TEST_F(CensusTest, OutsideCallsAreWaitedFor) {
  Atomic<bool> left{false};
  std::thread caller;
  {
    Atomic<bool> inside{false};
    caller = std::thread([&] {
      const Census::OutsideCall call(census_);
      inside.store(true);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      left.store(true);
    });
    while (!inside.load()) std::this_thread::yield();
  }
  census_.wait_for_outside_calls();
  EXPECT_TRUE(left.load());
  caller.join();
}

}  // namespace
}  // namespace weft::detail
