// Goal: fibers run in the order that the design promises, nobody is starved, and a fiber that its
// worker cannot run is run by another. Method: bare fibers that write down when they run: on one
// worker, where the order is fixed, and on two, of which one is held up on purpose.

#include "sched/worker.h"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/process_state.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

// A fiber that sleeps until it is told to go on, and then writes its name.
class Sleeper {
 public:
  Sleeper(BareScheduler& scheduler, std::string& log, char name) {
    scheduler.start([&, name] {
      token_ = current_token();
      suspend(nullptr, nullptr);
      log += name;
    });
  }
  void wake() { EXPECT_TRUE(weft::detail::wake(token_)); }

 private:
  WakeToken token_;
};

void yield_times(int times) {
  for (int i = 0; i < times; ++i) yield_now();
}

// ---- Order on one worker.

TEST(WorkerOrder, FibersStartInTheOrderInWhichTheyAreMade) {
  for (const bool strict : {false, true}) {
    BareScheduler scheduler({.workers = 1, .strict_fifo = strict});
    std::vector<int> order;
    scheduler.run([&] {
      for (int i = 0; i < 200; ++i) scheduler.start([&order, i] { order.push_back(i); });
      EXPECT_TRUE(order.empty()) << "starting is not running";
      yield_times(2);
    });
    scheduler.scheduler.cancel_all_and_wait();
    std::vector<int> expected(200);
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(order, expected);
  }
}

TEST(WorkerOrder, StrictOrderHoldsForMoreFibersThanTheRingHas) {
  BareScheduler scheduler({.workers = 1, .strict_fifo = true});
  constexpr int kFibers = 2000;
  std::vector<int> order;
  scheduler.run([&] {
    for (int i = 0; i < kFibers; ++i) scheduler.start([&order, i] { order.push_back(i); });
  });
  scheduler.scheduler.cancel_all_and_wait();
  std::vector<int> expected(kFibers);
  std::iota(expected.begin(), expected.end(), 0);
  ASSERT_EQ(order.size(), expected.size());
  for (int i = 0; i < kFibers; ++i) ASSERT_EQ(order[i], i) << "first of those out of order";
}

TEST(WorkerOrder, YieldQueuesBehindTheOthers) {
  BareScheduler scheduler(1);
  std::string log;
  scheduler.run([&] {
    for (const char name : {'a', 'b', 'c'}) {
      scheduler.start([&, name] {
        for (int i = 0; i < 3; ++i) {
          log += name;
          yield_now();
        }
      });
    }
    yield_times(5);
  });
  EXPECT_EQ(log, "abcabcabc");
}

TEST(WorkerOrder, WokenFiberRunsNext) {
  BareScheduler scheduler(1);
  std::string log;
  scheduler.run([&] {
    Sleeper woken(scheduler, log, 'w');
    yield_now();
    scheduler.start([&] { log += 'a'; });
    scheduler.start([&] { log += 'b'; });
    woken.wake();
    yield_times(2);
  });
  EXPECT_EQ(log, "wab");
}

TEST(WorkerOrder, LastWokenRunsNextAndTheOneBeforeQueues) {
  BareScheduler scheduler(1);
  std::string log;
  scheduler.run([&] {
    Sleeper first(scheduler, log, '1');
    Sleeper second(scheduler, log, '2');
    yield_now();
    scheduler.start([&] { log += 'a'; });
    first.wake();
    second.wake();
    scheduler.start([&] { log += 'b'; });
    yield_times(3);
  });
  EXPECT_EQ(log, "2a1b");
}

TEST(WorkerOrder, InStrictOrderWokenFibersQueue) {
  BareScheduler scheduler({.workers = 1, .strict_fifo = true});
  std::string log;
  scheduler.run([&] {
    Sleeper first(scheduler, log, '1');
    Sleeper second(scheduler, log, '2');
    yield_now();
    scheduler.start([&] { log += 'a'; });
    first.wake();
    second.wake();
    scheduler.start([&] { log += 'b'; });
    yield_times(2);
  });
  EXPECT_EQ(log, "a12b");
}

// Two fibers that wake each other over and over, each time into the slot that runs next, until
// `stop` is set.
void play_ping_pong(BareScheduler& scheduler, std::string& log, const bool& stop) {
  struct Game {
    WakeToken tokens[2] = {current_token(), current_token()};
  };
  const auto game = std::make_shared<Game>();
  for (int i = 0; i < 2; ++i) {
    scheduler.start([game, i, &log, &stop] {
      while (!stop) {
        log += '.';
        game->tokens[i] = current_token();
        wake(game->tokens[1 - i]);
        // Cancellable, so that the last one to sleep is not left when the other has stopped.
        if (suspend(nullptr, nullptr) == Wake::kCancelled) return;
      }
      wake(game->tokens[1 - i]);
    });
  }
}

TEST(WorkerOrder, WokenFibersRunAheadAtMostThreeTimesInARow) {
  BareScheduler scheduler(1);
  std::string log;
  bool stop = false;
  scheduler.run([&] {
    play_ping_pong(scheduler, log, stop);
    yield_now();  // the two begin
    log.clear();
    for (int i = 0; i < 50; ++i) {
      log += 'q';
      yield_now();
    }
    stop = true;
  });
  scheduler.scheduler.cancel_all_and_wait();
  EXPECT_EQ(log.find("...."), std::string::npos) << log;
  EXPECT_NE(log.find("q...q...q...q"), std::string::npos) << log;
}

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
  static std::string log;
  log.clear();
  play_ping_pong(scheduler, log, stop);
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
    scheduler_.start([&] {
      EXPECT_EQ(suspend_until(0, nullptr, nullptr), Wake::kTimeout);
      done = true;
    });
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
    yield_times(1000);
    polls = scheduler.driver.polls() - before;
  });
  EXPECT_EQ(polls, 0u);
}

// ---- More than the ring holds.

TEST(Worker, EveryOneOfManyFibersRunsOnce) {
  for (const unsigned workers : {1u, 2u, 3u}) {
    BareScheduler scheduler(workers);
    const int fibers = support::scaled(100'000);
    std::vector<Atomic<char>> ran(static_cast<std::size_t>(fibers));
    scheduler.run([&] {
      for (Atomic<char>& mine : ran) scheduler.start([&mine] { mine.fetch_add(1); });
    });
    scheduler.scheduler.cancel_all_and_wait();
    for (const Atomic<char>& times : ran) ASSERT_EQ(times, 1);
    EXPECT_EQ(scheduler.scheduler.stats().spawned, static_cast<std::uint64_t>(fibers) + 1);
    EXPECT_EQ(scheduler.scheduler.stats().finished, static_cast<std::uint64_t>(fibers) + 1);
  }
}

// ---- A worker that is held up.

class StuckWorkerTest : public testing::TestWithParam<bool> {
 protected:
  // Keeps the calling fiber's worker from switching until others have done something.
  template <class Condition>
  static void hold_worker_until(Condition condition) {
    EXPECT_TRUE(support::eventually(condition)) << "nobody came to help";
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
  for (int round = 0; round < 20; ++round) {
    scheduler_.run([&] {
      Atomic<bool> ran{false};
      scheduler_.start([&] { ran = true; });
      hold_worker_until([&] { return ran.load(); });
    });
  }
}

TEST_P(StuckWorkerTest, WhatItWokeRunsElsewhere) {
  for (int round = 0; round < 20; ++round) {
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
  for (int round = 0; round < 10; ++round) {
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

// ---- Pinned fibers.

TEST(WorkerPinned, PinnedFiberStaysWhereverItIsWokenFrom) {
  constexpr unsigned kWorkers = 3;
  const int rounds = support::scaled(60);
  BareScheduler scheduler(kWorkers);
  Atomic<bool> stop{false};
  std::latch ended(kWorkers);
  for (int i = 0; i < 6; ++i) {  // something for thieves
    scheduler.start([&] {
      while (!stop) yield_now();
    });
  }
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    scheduler.start_on(worker, [&, worker] {
      const int thread = support::thread_id();
      for (int round = 0; round < rounds; ++round) {
        yield_now();
        ASSERT_EQ(support::thread_id(), thread) << "after a yield";
        const WakeToken token = current_token();
        scheduler.start_on((worker + 1) % kWorkers, [token] {
          while (!wake(token)) yield_now();
        });
        suspend(nullptr, nullptr);
        ASSERT_EQ(support::thread_id(), thread) << "woken by another worker";
        suspend_until(0, nullptr, nullptr);
        ASSERT_EQ(support::thread_id(), thread) << "woken by a timer";
      }
      EXPECT_EQ(current_worker(), &scheduler.scheduler.worker(worker));
      ended.count_down();
    });
  }
  ended.wait();
  stop = true;
}

TEST(WorkerPinned, PinnedAndOtherFibersTakeTurns) {
  BareScheduler scheduler(1);
  int pinned = 0;
  int other = 0;
  scheduler.run([&] {
    scheduler.start_on(0, [&] {
      while (other < 500) {
        ++pinned;
        yield_now();
      }
    });
    while (other < 500) {
      ++other;
      yield_now();
    }
  });
  EXPECT_GE(pinned, 200);
  EXPECT_LE(pinned, 800);
}

}  // namespace
}  // namespace weft::detail
