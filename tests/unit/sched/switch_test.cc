// Goal: what belongs to a fiber comes along when it is switched away and back, on its worker or on
// another one: errno, the exceptions it handles, its stack; and what belongs to the thread is the
// new thread's. Method: bare fibers that are moved to another worker on purpose, and prove by
// thread ids that they were.

#include <execinfo.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <exception>
#include <set>
#include <string>
#include <vector>

#include "sched/worker.h"
#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/process_state.h"

namespace weft::detail {
namespace {

using support::BareScheduler;
using support::move_to;

// Compilers keep the address of errno, as of any thread-local, across calls.
[[gnu::noinline]] int read_errno() {
  asm volatile("" ::: "memory");
  return errno;
}
[[gnu::noinline]] void write_errno(int value) {
  asm volatile("" ::: "memory");
  errno = value;
}

struct Marked {
  int mark;
};

// Keeps `worker` busy with fibers that have an errno and a caught exception of their own, while the
// scheduler lives and `stop` is not set.
void disturb(BareScheduler& scheduler, unsigned worker, const Atomic<bool>& stop) {
  for (int mark = 1000; mark < 1003; ++mark) {
    scheduler.start_on(worker, [&stop, mark] {
      try {
        throw Marked{mark};
      } catch (const Marked&) {
        while (!stop) {
          write_errno(mark);
          yield_now();
          EXPECT_EQ(read_errno(), mark);
        }
        try {
          throw;
        } catch (const Marked& again) {
          EXPECT_EQ(again.mark, mark);
        }
      }
    });
  }
}

// Two workers, both with fibers on them that would show if something were left behind.
class SwitchTest : public testing::Test {
 public:
  void run_disturbed(const std::function<void()>& body) {
    Atomic<bool> stop{false};
    disturb(scheduler_, 0, stop);
    disturb(scheduler_, 1, stop);
    scheduler_.run([&] {
      body();
      stop = true;
    });
    scheduler_.scheduler.cancel_all_and_wait();
  }
  // Goes to the other worker; the thread is another one afterwards.
  void migrate() {
    const int thread_before = support::thread_id();
    move_to(scheduler_, 1 - current_worker()->index());
    ASSERT_NE(support::thread_id(), thread_before) << "it did not migrate";
  }

  BareScheduler scheduler_{2};
};

constexpr int kMoves = 20;

TEST_F(SwitchTest, ErrnoIsTheFibersOwnAfterEverySwitchAndMigration) {
  run_disturbed([&] {
    for (int i = 1; i <= kMoves; ++i) {
      write_errno(i);
      yield_now();
      EXPECT_EQ(read_errno(), i);
      migrate();
      EXPECT_EQ(read_errno(), i);
    }
  });
}

TEST_F(SwitchTest, NewFiberStartsWithErrnoZeroWhereverItsStackComesFrom) {
  scheduler_.run([&] {
    for (int i = 0; i < 100; ++i) {
      // All but the first inherit the stack of the one before, which ends with its errno set.
      for (int fiber = 0; fiber < 3; ++fiber) {
        scheduler_.start([] {
          EXPECT_EQ(read_errno(), 0);
          write_errno(EPERM);
        });
      }
      write_errno(EDOM);
      yield_now();
      EXPECT_EQ(read_errno(), EDOM);
    }
  });
}

thread_local int t_thread = 0;
[[gnu::noinline]] int& thread_local_mark() {
  asm volatile("" ::: "memory");
  return t_thread;
}

TEST_F(SwitchTest, ThreadLocalsAreTheNewThreadsAfterAMigration) {
  run_disturbed([&] {
    for (int i = 0; i < kMoves; ++i) {
      thread_local_mark() = support::thread_id();
      migrate();
      thread_local_mark() = support::thread_id();
      migrate();
      EXPECT_EQ(thread_local_mark(), support::thread_id());
    }
  });
}

TEST_F(SwitchTest, CurrentWorkerIsReadAfreshWithinOneFunction) {
  run_disturbed([&] {
    for (int i = 0; i < kMoves; ++i) {
      Worker* const before = current_worker();
      const Fiber* const self = current_fiber();
      migrate();
      EXPECT_NE(current_worker(), before);
      EXPECT_EQ(current_worker(), &scheduler_.scheduler.worker(1 - before->index()));
      EXPECT_EQ(current_fiber(), self) << "the fiber is still itself";
    }
  });
}

// ---- Exceptions.

TEST_F(SwitchTest, CatchBlockThatSpansASwitchRethrowsItsOwnException) {
  run_disturbed([&] {
    for (int i = 1; i <= kMoves; ++i) {
      try {
        throw Marked{i};
      } catch (const Marked&) {
        yield_now();
        EXPECT_THROW(throw, Marked);
        try {
          std::rethrow_exception(std::current_exception());
        } catch (const Marked& again) {
          EXPECT_EQ(again.mark, i);
        }
      }
    }
  });
}

TEST_F(SwitchTest, CatchBlockThatSpansAMigrationRethrowsItsOwnException) {
  run_disturbed([&] {
    for (int i = 1; i <= kMoves; ++i) {
      int rethrown = 0;
      try {
        try {
          throw Marked{i};
        } catch (const Marked&) {
          migrate();
          throw;
        }
      } catch (const Marked& again) {
        rethrown = again.mark;
      }
      EXPECT_EQ(rethrown, i);
      EXPECT_EQ(std::current_exception(), nullptr) << "it was caught and is gone";
    }
  });
}

TEST_F(SwitchTest, NestedCatchBlocksUnwindInOrderAcrossMigrations) {
  run_disturbed([&] {
    std::vector<int> seen;
    try {
      throw Marked{1};
    } catch (const Marked&) {
      migrate();
      try {
        throw Marked{2};
      } catch (const Marked& inner) {
        migrate();
        seen.push_back(inner.mark);
      }
      migrate();
      try {
        throw;
      } catch (const Marked& outer) {
        seen.push_back(outer.mark);
      }
    }
    EXPECT_EQ(seen, (std::vector{2, 1}));
  });
}

TEST_F(SwitchTest, UnwindingFiberCountsItsOwnExceptionInFlightOnly) {
  run_disturbed([&] {
    struct SwitchesWhenItDies {
      SwitchTest& test;
      ~SwitchesWhenItDies() {
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        // Somebody else's exceptions have nothing to do with this one's.
        test.scheduler_.start_on(1 - current_worker()->index(),
                                 [] { EXPECT_EQ(std::uncaught_exceptions(), 0); });
        test.scheduler_.start_on(current_worker()->index(),
                                 [] { EXPECT_EQ(std::uncaught_exceptions(), 0); });
        yield_now();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
        test.migrate();
        EXPECT_EQ(std::uncaught_exceptions(), 1);
      }
    };
    for (int i = 1; i <= kMoves; ++i) {
      try {
        const SwitchesWhenItDies local{*this};
        throw Marked{i};
      } catch (const Marked& mine) {
        EXPECT_EQ(mine.mark, i);
      }
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    }
  });
}

TEST_F(SwitchTest, FiberThatEndsWithinACatchBlocksStackLeavesNothingToItsHeir) {
  scheduler_.run([&] {
    for (int i = 0; i < 50; ++i) {
      scheduler_.start([] {
        EXPECT_EQ(std::current_exception(), nullptr);
        EXPECT_EQ(std::uncaught_exceptions(), 0);
      });
      try {
        throw Marked{i};
      } catch (const Marked&) {
        yield_now();
      }
    }
  });
}

// ---- Stacks.

TEST(Switch, StormOfShortFibersRunsOnAFewStacks) {
  BareScheduler scheduler(1);
  constexpr int kFibers = 10'000;
  Atomic<int> ran{0};
  scheduler.run([&] {
    for (int i = 0; i < kFibers; ++i) scheduler.start([&] { ran.fetch_add(1); });
  });
  scheduler.scheduler.cancel_all_and_wait();
  EXPECT_EQ(ran, kFibers);
  // One is carved at least, and a handful with it; not one a fiber, nor one for each that waits.
  EXPECT_LE(scheduler.scheduler.stacks().stats().carved, 32u);
}

TEST(Switch, FiberThatHasEndedPassesItsStackToOneThatHasNotBegun) {
  BareScheduler scheduler(1);
  std::vector<std::uintptr_t> stacks;
  scheduler.run([&] {
    for (int i = 0; i < 10; ++i) {
      scheduler.start([&] {
        const int local = 0;
        stacks.push_back(reinterpret_cast<std::uintptr_t>(&local) >> 12);
      });
    }
  });
  scheduler.scheduler.cancel_all_and_wait();
  ASSERT_EQ(stacks.size(), 10u);
  const std::set<std::uintptr_t> pages(stacks.begin(), stacks.end());
  EXPECT_EQ(pages.size(), 1u) << "taken from the pool, the next one's would be another";
}

TEST(Switch, FibersOfDifferentStackSizesGetTheirOwn) {
  BareScheduler scheduler(1);
  std::vector<std::size_t> sizes;
  scheduler.run([&] {
    for (std::uint8_t i = 0; i < 20; ++i) {
      Fiber& fiber = support::make_fiber(
          {[&] { sizes.push_back(current_fiber()->stack->size + page_size()); }, nullptr});
      fiber.stack_class = i % 4;
      scheduler.scheduler.start(fiber);
    }
  });
  scheduler.scheduler.cancel_all_and_wait();
  ASSERT_EQ(sizes.size(), 20u);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_EQ(sizes[i], class_size(static_cast<std::uint8_t>(i % 4)));
  }
}

TEST(Switch, BacktraceStopsAtTheFibersFirstFrame) {
  BareScheduler scheduler(1);
  scheduler.run([&] {
    void* frames[200];
    const int depth = ::backtrace(frames, 200);
    EXPECT_GE(depth, 2);
    EXPECT_LT(depth, 50) << "it ran on past the top of the stack";
    yield_now();
    EXPECT_EQ(::backtrace(frames, 200), depth);
  });
}

}  // namespace
}  // namespace weft::detail
