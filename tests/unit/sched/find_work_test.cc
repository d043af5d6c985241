// Goal: whatever keeps a worker busy, timers, driver and the injector get their turn; and what a
// worker that is held up in one fiber cannot run, another runs. Method: loads of bare fibers on one
// worker, and two workers of which one is held up on purpose.

#include <gtest/gtest.h>
#include <sched.h>

#include <string>
#include <thread>

#include "sched/worker.h"
#include "support/bare_fiber.h"
#include "support/eventually.h"
#include "support/process_state.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

// ---- Housekeeping, whatever keeps the worker busy.

struct Load {
  const char* name;
  void (*run)(BareScheduler&, const bool& stop);
};

void yielding(BareScheduler& scheduler, const bool& stop) {
  for (int i = 0; i < 3; ++i) {
    scheduler.start([&stop] {
      while (!stop) yield_now();
    });
  }
}
void spawn_chain(BareScheduler& scheduler, const bool& stop) {
  scheduler.start([&] {
    if (!stop) spawn_chain(scheduler, stop);
  });
}
void waking(BareScheduler& scheduler, const bool& stop) {
  support::play_ping_pong(
      scheduler, [] {}, stop);
}

class HousekeepingTest : public testing::TestWithParam<Load> {
 protected:
  // Runs the load until `done`, and returns how many turns that took.
  std::uint64_t turns_until(const bool& done) {
    const Counter& turns = scheduler_.scheduler.worker(0).stats().turns;
    const std::uint64_t before = turns.read();
    const std::uint64_t limit = before + 10'000;
    // By its own stop, so that nobody outlives it.
    while (!done && turns.read() < limit) yield_now();
    return turns.read() - before;
  }

  // Every 61 turns; a few more, since what was found has to be run.
  static constexpr std::uint64_t kSoon = 61 + 20;

  BareScheduler scheduler_{1};
};

INSTANTIATE_TEST_SUITE_P(Under, HousekeepingTest,
                         testing::Values(Load{"Yielding", &yielding},
                                         Load{"SpawnChain", &spawn_chain}, Load{"Waking", &waking}),
                         [](const auto& load) { return load.param.name; });

TEST_P(HousekeepingTest, TimersFireUnderLoad) {
  bool done = false;
  scheduler_.run([&] {
    GetParam().run(scheduler_, done);
    bool asleep = false;
    scheduler_.start([&] {
      asleep = true;
      EXPECT_EQ(suspend_until(0, nullptr, nullptr), Wake::kTimeout);
      done = true;
    });
    while (!asleep) yield_now();
    EXPECT_LE(turns_until(done), kSoon);
    done = true;
  });
  scheduler_.scheduler.cancel_all_and_wait();
}

TEST_P(HousekeepingTest, DriverIsPolledUnderLoad) {
  bool done = false;
  scheduler_.driver.set_active(true);
  scheduler_.run([&] {
    GetParam().run(scheduler_, done);
    bool asleep = false;
    scheduler_.start([&] {
      scheduler_.driver.post({current_token(), Wake::kClosed});
      asleep = true;
      EXPECT_EQ(suspend(nullptr, nullptr), Wake::kClosed);
      done = true;
    });
    while (!asleep) yield_now();
    EXPECT_LE(turns_until(done), kSoon);
    done = true;
  });
  scheduler_.scheduler.cancel_all_and_wait();
  EXPECT_GT(scheduler_.driver.polls(), 0u);
}

TEST_P(HousekeepingTest, FibersFromOutsideRunUnderLoad) {
  bool done = false;
  scheduler_.run([&] {
    GetParam().run(scheduler_, done);
    std::thread([&] { scheduler_.start([&] { done = true; }); }).join();
    EXPECT_LE(turns_until(done), kSoon);
    done = true;
  });
  scheduler_.scheduler.cancel_all_and_wait();
}

TEST(Worker, InactiveDriverIsNotPolledUnderLoad) {
  BareScheduler scheduler(1);
  unsigned polls = 0;
  scheduler.run([&] {
    const unsigned before = scheduler.driver.polls();
    for (int i = 0; i < 1000; ++i) yield_now();
    polls = scheduler.driver.polls() - before;
  });
  EXPECT_EQ(polls, 0u);
}

// More fibers than the rings hold, none of which ever waits.
// Else nobody asks the driver meanwhile, until the monitor sees to it. It wakes others, too, but
// that is not counted as a worker's doing.
TEST(Worker, WhoWasAwayFromTheDriverForLongCallsAnotherInItsStead) {
  constexpr int kRounds = 20;
  BareScheduler scheduler(2);
  scheduler.driver.set_active(true);
  Atomic<Fiber*> waiting{nullptr};
  Atomic<int> runs{0};
  WakeToken token;
  scheduler.start([&] {
    for (int i = 0; i < kRounds; ++i) {
      token = current_token();
      waiting.store(token.fiber);
      suspend(nullptr, nullptr, Cancellable::kNo);
      const Nanos end = now() + 1'000'000;
      while (now() < end) cpu_relax();
      runs.fetch_add(1);
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    ASSERT_TRUE(support::eventually([&] { return waiting.exchange(nullptr) != nullptr; }));
    ASSERT_TRUE(
        support::eventually([&] { return scheduler.all_asleep() && scheduler.driver.sleeping(); }));
    scheduler.driver.post({token, Wake::kNormal});
    ASSERT_TRUE(support::eventually([&] { return runs.load() == round; }));
  }
  EXPECT_GE(scheduler.scheduler.stats().wakes, static_cast<unsigned>(kRounds / 2));
}

TEST(Worker, DriverIsPolledHoweverManyFibersAreReady) {
  for (const unsigned workers : {1u, 2u}) {
    BareScheduler scheduler(workers);
    scheduler.driver.set_active(true);
    Atomic<bool> stop{false};
    Atomic<bool> known{false};
    WakeToken token;
    Atomic<bool> ran{false};
    scheduler.run([&] {
      scheduler.start([&] {
        token = current_token();
        known = true;
        EXPECT_EQ(suspend(nullptr, nullptr), Wake::kClosed);
        ran = true;
      });
      while (!known) yield_now();
      for (unsigned i = 0; i < 600 * workers; ++i) {
        scheduler.start([&] {
          while (!stop) yield_now();
        });
      }
      for (int i = 0; i < 10; ++i) yield_now();
      scheduler.driver.post({token, Wake::kClosed});
      EXPECT_TRUE(support::eventually([&] {
        yield_now();
        return ran.load();
      })) << workers
          << " workers";
      stop = true;
    });
    scheduler.scheduler.cancel_all_and_wait();
  }
}

// ---- Short waits.

class SpinTest : public testing::TestWithParam<bool> {
 protected:
  // How many of the waits it slept through.
  std::uint64_t parks_in(int waits, Nanos length) {
    const Counter& parks = scheduler_.scheduler.worker(0).stats().parks;
    const std::uint64_t before = parks.read();
    for (int i = 0; i < waits; ++i) suspend_until(now() + length, nullptr, nullptr);
    return parks.read() - before;
  }

  // Who shares the processor with one that computes does not spin.
  static bool yields_take_long() {
    const Nanos before = now();
    for (int i = 0; i < 100; ++i) ::sched_yield();
    return now() - before > 10'000'000;
  }

  BareScheduler scheduler_{SchedulerOptions{.workers = 1, .spin = true, .spin_yields = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Processor, SpinTest, testing::Bool(),
                         [](const auto& yields) { return yields.param ? "Shared" : "Own"; });

// However long waits were before.
TEST_P(SpinTest, ShortWaitsAreNotSleptThrough) {
  constexpr int kWaits = 64;
  scheduler_.run([&] {
    EXPECT_GE(parks_in(kWaits, 500'000), kWaits / 2);
    const bool awake = support::eventually([&] { return parks_in(kWaits, 20'000) < kWaits / 2; });
    if (!awake && GetParam() && yields_take_long()) GTEST_SKIP() << "others use this processor";
    EXPECT_TRUE(awake);
  });
}

// ---- A worker that is held up.

class StuckWorkerTest : public testing::TestWithParam<bool> {
 protected:
  // Keeps the calling fiber's worker from switching until others have done something.
  template <class Condition>
  static void hold_worker_until(Condition condition) {
    EXPECT_TRUE(support::eventually(condition)) << "nobody came to help";
    while (!condition()) yield_now();  // what it was about still refers to the caller's frame
  }

  BareScheduler scheduler_{SchedulerOptions{.workers = 2, .spin = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Spin, StuckWorkerTest, testing::Bool(),
                         [](const auto& spin) { return spin.param ? "Spinning" : "Sleeping"; });

TEST_P(StuckWorkerTest, ItsQueuedFibersRunElsewhere) {
  constexpr int kFibers = 600;
  Atomic<int> ran{0};
  scheduler_.run([&] {
    const int stuck = support::thread_id();
    for (int i = 0; i < kFibers; ++i) {
      scheduler_.start([&] {
        EXPECT_NE(support::thread_id(), stuck);
        ran.fetch_add(1);
      });
    }
    hold_worker_until([&] { return ran == kFibers; });
  });
}

TEST_P(StuckWorkerTest, ItsOnlyQueuedFiberRunsElsewhere) {
  // Again and again: whether another worker is woken for a lone fiber depends on what came of it.
  for (int round = 0; round < 20 && !HasFailure(); ++round) {
    scheduler_.run([&] {
      Atomic<bool> ran{false};
      scheduler_.start([&] { ran = true; });
      hold_worker_until([&] { return ran.load(); });
    });
  }
}

TEST_P(StuckWorkerTest, WhatItWokeRunsElsewhere) {
  for (int round = 0; round < 20 && !HasFailure(); ++round) {
    scheduler_.run([&] {
      WakeToken token;
      Atomic<bool> known{false};
      Atomic<bool> ran{false};
      scheduler_.start([&] {
        token = current_token();
        known = true;
        suspend(nullptr, nullptr);
        ran = true;
      });
      while (!known || !wake(token)) yield_now();
      hold_worker_until([&] { return ran.load(); });
    });
  }
}

TEST_P(StuckWorkerTest, ItsTimersFireElsewhere) {
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    scheduler_.run([&] {
      Atomic<bool> ran{false};
      Worker* const here = current_worker();
      scheduler_.start_on(here->index(), [&] {
        --current_fiber()->pins;  // its timer is here, but it may go on anywhere
        EXPECT_EQ(suspend_until(now() + 1'000'000, nullptr, nullptr), Wake::kTimeout);
        ran = true;
      });
      // Until it sleeps, on this worker or on another that has stolen this fiber.
      support::move_to(scheduler_, here->index());
      while (here->next_deadline() == kNever && !ran) {
        yield_now();
        support::move_to(scheduler_, here->index());
      }
      hold_worker_until([&] { return ran.load(); });
    });
  }
}

}  // namespace
}  // namespace weft::detail
