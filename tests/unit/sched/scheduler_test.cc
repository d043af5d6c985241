// Goal: a scheduler starts, takes fibers from everywhere, ends when all of them have, and leaves
// nothing behind; without memory for a stack a fiber fails and the others go on. Method: schedulers
// over a fake driver, made and destroyed in large numbers; lack of memory in a child process.

#include "sched/scheduler.h"

#include <weft/weft.h>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/process_state.h"
#include "support/valgrind.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;
using support::eventually;

constexpr Nanos kMillisecond = 1'000'000;

// Sleeps until it is cancelled.
void sleep_until_cancelled() { EXPECT_EQ(suspend(nullptr, nullptr), Wake::kCancelled); }

// ---- Starting.

TEST(Scheduler, FibersOfAThreadAndOfAFiberRunOnItsWorkers) {
  BareScheduler scheduler(2);
  std::latch ended(2);
  EXPECT_EQ(Scheduler::current(), nullptr);
  scheduler.start([&] {
    EXPECT_EQ(Scheduler::current(), &scheduler.scheduler);
    scheduler.start([&] {
      EXPECT_EQ(Scheduler::current(), &scheduler.scheduler);
      ended.count_down();
    });
    ended.count_down();
  });
  ended.wait();
}

TEST(Scheduler, FiberOfOneSchedulerMayStartOneInAnother) {
  BareScheduler first(1);
  BareScheduler second(1);
  for (int i = 0; i < 100; ++i) {
    std::latch ended(1);
    first.start([&] {
      second.start([&] {
        EXPECT_EQ(Scheduler::current(), &second.scheduler);
        ended.count_down();
      });
    });
    ended.wait();
  }
}

TEST(Scheduler, WhatHappenedBeforeTheStartIsSeenByTheFiber) {
  BareScheduler scheduler(2);
  int passed_on = 0;  // plain memory, which the thread sanitizer watches
  for (int i = 1; i < 200; ++i) {
    passed_on = i;
    scheduler.run([&, i] { EXPECT_EQ(passed_on, i); });
  }
}

TEST(Scheduler, WorkersAreNamedAfterIt) {
  const auto names = [] {
    std::vector<std::string> all;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream file(task.path() / "comm");
      std::string name;
      std::getline(file, name);
      all.push_back(name);
    }
    return all;
  };
  BareScheduler scheduler({.workers = 2, .name = "a-name-that-is-too-long"});
  for (const char* expected : {"a-name-that-w0", "a-name-that-w1"}) {
    EXPECT_TRUE(eventually([&] {
      const auto now_there = names();
      return std::find(now_there.begin(), now_there.end(), expected) != now_there.end();
    })) << expected;
  }
}

TEST(Scheduler, CountsWhatHappened) {
  BareScheduler scheduler(1);
  scheduler.run([&] {
    for (int i = 0; i < 10; ++i) scheduler.start([] { yield_now(); });
    yield_now();
  });
  scheduler.scheduler.cancel_all_and_wait();
  const SchedulerStats stats = scheduler.scheduler.stats();
  EXPECT_EQ(stats.spawned, 11u);
  EXPECT_EQ(stats.finished, 11u);
  EXPECT_GE(stats.switches, 22u);
  EXPECT_EQ(stats.steals, 0u);
}

// ---- Idle.

TEST(Scheduler, WorkersWithNothingToDoAllSleep) {
  for (const bool spin : {true, false}) {
    BareScheduler scheduler({.workers = 3, .spin = spin});
    EXPECT_TRUE(eventually([&] { return scheduler.all_asleep(); }));
    EXPECT_TRUE(eventually([&] { return scheduler.scheduler.stats().parks >= 3; }));
    scheduler.run([] {});
    EXPECT_TRUE(eventually([&] { return scheduler.all_asleep(); }));
  }
}

TEST(Scheduler, SleepersAreWokenWithAndWithoutADriverToSleepIn) {
  using Seats = support::FakeDriver::Seats;
  for (const Seats seats : {Seats::kOne, Seats::kNone, Seats::kEach}) {
    BareScheduler scheduler(2);
    scheduler.driver.set_seats(seats);
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(eventually([&] { return scheduler.all_asleep(); }));
      scheduler.run([] {});
      for (unsigned worker = 0; worker < 2; ++worker) {
        std::latch ended(1);
        scheduler.start_on(worker, [&] { ended.count_down(); });
        ended.wait();
      }
    }
  }
}

TEST(Scheduler, EventOfTheDriverWakesASleeper) {
  BareScheduler scheduler(2);
  for (int i = 0; i < 50; ++i) {
    WakeToken token;
    Atomic<bool> known{false};
    std::latch ended(1);
    scheduler.start([&] {
      token = current_token();
      known = true;
      EXPECT_EQ(suspend(nullptr, nullptr), Wake::kClosed);
      ended.count_down();
    });
    ASSERT_TRUE(
        eventually([&] { return known && scheduler.all_asleep() && scheduler.driver.sleeping(); }));
    scheduler.driver.post({token, Wake::kClosed});
    ended.wait();
  }
}

// ---- The end.

TEST(Scheduler, EndCancelsEveryFiberAndWaitsForIt) {
  BareScheduler scheduler(2);
  Atomic<int> ended{0};
  for (int i = 0; i < 100; ++i) {
    scheduler.start([&] {
      sleep_until_cancelled();
      ended.fetch_add(1);
    });
  }
  scheduler.scheduler.cancel_all_and_wait();
  EXPECT_EQ(ended, 100);
  scheduler.scheduler.cancel_all_and_wait();  // nothing left: returns at once
}

TEST(Scheduler, EndCancelsFibersThatNeverBegan) {
  BareScheduler scheduler(1);
  Atomic<int> ended{0};
  scheduler.run([&] {
    for (int i = 0; i < 1000; ++i) {
      scheduler.start([&] {
        EXPECT_TRUE(take_cancellation() || suspend(nullptr, nullptr) == Wake::kCancelled);
        ended.fetch_add(1);
      });
    }
  });
  scheduler.scheduler.cancel_all_and_wait();
  EXPECT_EQ(ended, 1000);
}

TEST(Scheduler, EndWaitsForFibersThatCleanUp) {
  BareScheduler scheduler(2);
  Atomic<bool> cleaned{false};
  scheduler.start([&] {
    sleep_until_cancelled();
    EXPECT_EQ(suspend_until(now() + 5 * kMillisecond, nullptr, nullptr), Wake::kTimeout)
        << "asked once, it is left to clean up";
    cleaned = true;
  });
  EXPECT_TRUE(eventually([&] { return scheduler.all_asleep(); }));
  scheduler.scheduler.cancel_all_and_wait();
  EXPECT_TRUE(cleaned);
}

TEST(Scheduler, EndCancelsFibersThatCleanersStart) {
  BareScheduler scheduler(2);
  Atomic<int> ended{0};
  std::function<void(int)> start_generation = [&](int left) {
    scheduler.start([&, left] {
      sleep_until_cancelled();
      if (left > 0) start_generation(left - 1);
      ended.fetch_add(1);
    });
  };
  start_generation(2);
  const Nanos start = now();
  scheduler.scheduler.cancel_all_and_wait();
  EXPECT_EQ(ended, 3);
  EXPECT_LT(now() - start, 15'000 * kMillisecond);
}

TEST(Scheduler, FibersOfAnotherSchedulerAreNotCancelled) {
  BareScheduler bystander(1);
  Atomic<bool> known{false};
  WakeToken token;
  std::latch ended(1);
  bystander.start([&] {
    token = current_token();
    known = true;
    EXPECT_EQ(suspend(nullptr, nullptr), Wake::kNormal);
    ended.count_down();
  });
  ASSERT_TRUE(eventually([&] { return known.load(); }));
  {
    BareScheduler ending(1);
    ending.start([] { sleep_until_cancelled(); });
    ending.scheduler.cancel_all_and_wait();
  }
  ASSERT_TRUE(eventually([&] { return wake(token); }));
  ended.wait();
}

// The fiber may run, end, and let the scheduler go, before the thread that woke it has returned.
TEST(Scheduler, MayEndWhileTheThreadThatWokeItsLastFiberIsStillInside) {
  const int rounds = support::on_valgrind() ? 50 : support::scaled(500);
  Atomic<std::uint64_t> asleep{0};
  Atomic<bool> stop{false};
  WakeToken token;  // written before `asleep`
  std::thread waker([&] {
    std::uint64_t woken = 0;
    while (!stop) {
      if (asleep.load() > woken && wake(token)) ++woken;
    }
  });
  for (int round = 0; round < rounds; ++round) {
    BareScheduler scheduler(round % 2 == 0 ? 1 : 2);
    scheduler.run([&] {
      token = current_token();
      asleep.fetch_add(1);
      EXPECT_EQ(suspend(nullptr, nullptr, Cancellable::kNo), Wake::kNormal);
    });
  }
  stop = true;
  waker.join();
}

// The same, held still: the waker has reached the sleeper, and is not let out of its call.
TEST(Scheduler, EndWaitsForAThreadThatIsStillWakingAWorker) {
  support::FakeDriver driver;
  auto scheduler = std::make_unique<Scheduler>(SchedulerOptions{.workers = 1}, driver);
  ASSERT_TRUE(eventually([&] { return driver.sleeping(); }));
  driver.hold_next_waker();
  std::latch ran(1);
  Fiber& fiber = support::make_fiber({[&] { ran.count_down(); }, nullptr});
  std::thread waker([&] { scheduler->start(fiber); });
  ran.wait();
  ASSERT_TRUE(eventually([&] { return driver.holds_waker(); }));
  Atomic<bool> released{false};
  std::thread releaser([&] {
    const Nanos end = now() + 20 * kMillisecond;
    while (now() < end) std::this_thread::yield();
    released = true;
    driver.release_waker();
  });
  scheduler->cancel_all_and_wait();
  scheduler.reset();
  EXPECT_TRUE(released) << "it would have gone while a thread was inside";
  releaser.join();
  waker.join();
}

// ---- What is left behind.

// Starts and stops until that has settled what stays, then many more times; returns the growth.
template <class StartAndStop>
support::ProcessCounts growth_over(int times, StartAndStop start_and_stop) {
  for (int i = 0; i < times / 10 + 20; ++i) start_and_stop();
  const auto before = support::process_counts();
  for (int i = 0; i < times; ++i) start_and_stop();
  const auto after = support::process_counts();
  const auto grown = [](std::size_t from, std::size_t to) { return to > from ? to - from : 0; };
  return {grown(before.threads, after.threads), grown(before.descriptors, after.descriptors),
          grown(before.mappings, after.mappings)};
}

TEST(Scheduler, ThousandRuntimesLeaveNoThreadsDescriptorsOrMappings) {
  const int times = support::on_valgrind() ? 50 : support::scaled(1000);
  const auto growth = growth_over(times, [] {
    Runtime runtime({.workers = 2});
    Task<int> left_running = runtime.post([] {
      sleep_for(std::chrono::hours(1));
      return 1;
    });
    EXPECT_EQ(runtime.run([] {
      auto first = spawn([] { return 1; });
      auto second = spawn({.stack_size = 1 << 20}, [] { return 2; });
      return first.get() + second.get();
    }),
              3);
  });
  EXPECT_EQ(growth.threads, 0u);
  EXPECT_EQ(growth.descriptors, 0u);
  // The allocator maps arenas for threads and keeps them; a leak would be one a runtime at least.
  EXPECT_LT(growth.mappings, static_cast<std::size_t>(times) / 4 + 8);
}

// ---- Lack of memory for stacks.

#if !defined(SUPPORT_ASAN) && !defined(SUPPORT_TSAN)  // they need terabytes of addresses

// In a child process: exits with 0 if all is as promised.
[[noreturn]] void run_out_of_stacks() {
  using namespace std::chrono_literals;
  const int code = run({.workers = 2}, [] {
    const rlimit limit{std::size_t{1} << 30, std::size_t{1} << 30};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) return 10;
    constexpr int kTasks = 200;
    int failed = 0;
    int ran = 0;
    for (int round = 0; round < 2; ++round) {
      Event go_on;
      std::vector<Task<int>> tasks;
      for (int i = 0; i < kTasks; ++i) {
        tasks.push_back(spawn({.stack_size = std::size_t{16} << 20}, [&go_on] {
          go_on.wait();
          return 1;
        }));
      }
      sleep_for(20ms);
      go_on.set();
      for (auto& task : tasks) {
        try {
          ran += task.get();
        } catch (const StackAllocationError&) {
          ++failed;
        }
      }
    }
    if (failed + ran != 2 * kTasks) return 11;
    if (failed == 0 || ran < 4) return 12;
    // What is small still runs, and so does what is large when others have ended.
    if (spawn([] { return 7; }).get() != 7) return 13;
    return spawn({.stack_size = std::size_t{16} << 20}, [] { return 0; }).get();
  });
  std::_Exit(code);
}

TEST(SchedulerDeathTest, FiberWithoutMemoryForAStackFailsAndTheOthersGoOn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(run_out_of_stacks(), testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace weft::detail
