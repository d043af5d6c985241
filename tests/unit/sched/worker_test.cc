// Goal: fibers run in the order that the design promises, all of them, and pinned ones where they
// belong. Method: bare fibers that write down when they run, mostly on one worker, where the order
// is fixed.

#include "sched/worker.h"

#include <gtest/gtest.h>

#include <functional>
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

// Depth first, and siblings as they were made. With two workers, of which the other is kept busy.
TEST(WorkerOrder, ATreeStartsBranchByBranch) {
  for (const unsigned workers : {1U, 2U}) {
    BareScheduler scheduler({.workers = workers});
    std::string log;
    Atomic<bool> stop{false};
    scheduler.run([&] {
      Atomic<bool> busy{false};
      if (workers == 2) {
        support::move_to(scheduler, 0);
        scheduler.start_on(1, [&] {
          busy = true;
          while (!stop) cpu_relax();
        });
        while (!busy) yield_now();
      }
      const auto spawn = [&](char name, const auto& branch) {
        scheduler.start([&, name, branch] {
          log += name;
          branch();
        });
      };
      const auto leaf = [] {};
      spawn('a', [&, spawn] {
        spawn('b', leaf);
        spawn('c', [&, spawn] {
          spawn('d', leaf);
          spawn('e', leaf);
        });
        spawn('f', leaf);
      });
      spawn('g', leaf);
      while (log.size() < 7) yield_now();
      stop = true;
    });
    scheduler.scheduler.cancel_all_and_wait();
    EXPECT_EQ(log, "abcdefg") << workers << " workers";
  }
}

// Whoever has been waiting for long gets a turn, although new ones come all the time.
TEST(WorkerOrder, AChainOfSpawnsStarvesNobody) {
  for (const unsigned workers : {1U, 2U}) {
    BareScheduler scheduler(workers);
    Atomic<bool> stop{false};
    const std::function<void()> chain = [&] {
      if (!stop) scheduler.start(chain);
    };
    scheduler.run([&] {
      for (unsigned i = 0; i < 2 * workers; ++i) scheduler.start(chain);
      scheduler.start([&] { stop = true; });
      while (!stop) yield_now();
    });
    scheduler.scheduler.cancel_all_and_wait();
  }
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

TEST(WorkerOrder, LastWokenRunsNextAndTheOneBeforeQueuesBehindTheUnstarted) {
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
  EXPECT_EQ(log, "2ab1");
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

TEST(WorkerOrder, WokenFibersRunAheadAtMostThreeTimesInARow) {
  BareScheduler scheduler(1);
  std::string log;
  bool stop = false;
  scheduler.run([&] {
    support::play_ping_pong(
        scheduler, [&] { log += '.'; }, stop);
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

// Many pinned to one worker, and others with nothing to do but to steal.
TEST(WorkerPinned, IdleWorkersDoNotStealPinnedFibers) {
  constexpr int kFibers = 20;
  const int rounds = support::scaled(500);
  BareScheduler scheduler(3);
  std::latch ended(kFibers);
  for (int i = 0; i < kFibers; ++i) {
    scheduler.start_on(0, [&] {
      for (int round = 0; round < rounds; ++round) {
        yield_now();
        ASSERT_EQ(current_worker()->index(), 0u);
      }
      ended.count_down();
    });
  }
  ended.wait();
  EXPECT_EQ(scheduler.scheduler.stats().steals, 0u);
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
