// Goal: weft::run gives back what main ended with, and brings all that main left behind to an
// orderly end first. Method: small programs; what they must have done is looked at after run has
// returned. Tasks tell by events how far they are, nobody guesses by the clock.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/weft.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Arrivals;
using support::LiveCount;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;

// ---- What main ends with.

TEST(Run, ReturnsWhatMainReturns) {
  EXPECT_EQ(weft::run([] { return 42; }), 42);
  EXPECT_EQ(weft::run([] { return std::string(1000, 'x'); }), std::string(1000, 'x'));
  bool ran = false;
  static_assert(std::is_void_v<decltype(weft::run([&] { ran = true; }))>);
  weft::run([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(Run, MovesAMoveOnlyResultOut) {
  std::unique_ptr<int> result = weft::run([] { return std::make_unique<int>(7); });
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(*result, 7);
}

TEST(Run, TakesAMoveOnlyMain) {
  auto number = std::make_unique<int>(8);
  EXPECT_EQ(weft::run([number = std::move(number)] { return *number; }), 8);
}

TEST(Run, LeavesAnLvalueMainToTheCaller) {
  LiveCount live;
  const auto main = [token = live.token(), text = std::string(100, 'a')] { return text.size(); };
  EXPECT_EQ(weft::run(main), 100u);
  EXPECT_EQ(weft::run(main), 100u);
  EXPECT_EQ(live.alive(), 1);
}

TEST(Run, RethrowsWhatMainThrew) {
  try {
    weft::run([]() -> int { throw std::out_of_range("seven is too many"); });
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "seven is too many");
  }
}

TEST(Run, RethrowsExceptionsOfAnyType) {
  struct Odd {
    int number;
  };
  EXPECT_THROW(weft::run([] { throw 5; }), int);
  EXPECT_THROW(weft::run([] { throw "text"; }), const char*);
  EXPECT_THROW(weft::run([] { throw std::make_unique<int>(1); }), std::unique_ptr<int>);
  try {
    weft::run([] { throw Odd{9}; });
    FAIL() << "nothing was thrown";
  } catch (const Odd& odd) {
    EXPECT_EQ(odd.number, 9);
  }
}

TEST(Run, OfAMainThatEndsByCancelledThrowsCancelled) {
  EXPECT_TRUE(throws_cancelled([] { weft::run([] { throw weft::Cancelled(); }); }));
}

TEST(Run, NamesItsFiberMain) {
  EXPECT_EQ(weft::run([] { return weft::this_task::name(); }), "main");
}

TEST(Run, MayBeRepeated) {
  for (int i = 0; i < support::scaled(100); ++i) {
    ASSERT_EQ(weft::run([&] { return weft::spawn([&] { return i; }).get(); }), i);
  }
}

TEST(Run, MayBeCalledBySeveralThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < support::scaled(20); ++round) {
        sum += weft::run([&] { return weft::spawn([&] { return i; }).get(); });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, support::scaled(20) * (0 + 1 + 2 + 3));
}

// ---- Nesting.

TEST(Run, InsideRunThrows) {
  weft::run([] {
    EXPECT_THROW(weft::run([] { return 1; }), std::logic_error);
    EXPECT_THROW(weft::Runtime runtime, std::logic_error);
    weft::spawn([] { EXPECT_THROW(weft::run([] {}), std::logic_error); }).get();
    // The refusal did no harm.
    EXPECT_EQ(weft::spawn([] { return 2; }).get(), 2);
  });
}

TEST(Run, RefusesToNestInWordsThatHelp) {
  weft::run([] {
    try {
      weft::run([] {});
      FAIL() << "nothing was thrown";
    } catch (const std::logic_error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("weft::run"));
      EXPECT_THAT(error.what(), testing::HasSubstr("weft::spawn"));
    }
  });
}

TEST(Run, OnAnotherRuntimeThrowsInAFiberToo) {
  weft::Runtime other;
  weft::run([&] { EXPECT_THROW(other.run([] {}), std::logic_error); });
}

TEST(Run, IsAllowedOnABlockingThread) {
  EXPECT_EQ(weft::run([] { return weft::to_thread([] { return weft::run([] { return 3; }); }); }),
            3);
}

// ---- What main leaves behind.

TEST(Run, CancelsAndAwaitsWhatIsLeft) {
  constexpr int kTasks = 100;
  LiveCount live;
  std::atomic<int> cancelled{0};
  Arrivals started(kTasks);
  weft::run([&] {
    for (int i = 0; i < kTasks; ++i) {
      weft::spawn([&, token = live.token()] {
        started.arrive();
        cancelled += throws_cancelled(sleep_forever) ? 1 : 0;
      });
    }
    started.wait();
  });
  EXPECT_EQ(cancelled, kTasks);
  EXPECT_EQ(live.alive(), 0);
}

TEST(Run, GivesLeftoversTheTimeTheyNeed) {
  bool finished = false;
  weft::Event started;
  weft::run([&] {
    weft::spawn([&] {
      started.set();
      sleep_until_cancelled();
      // Everything works while the runtime ends.
      for (int i = 0; i < 10; ++i) weft::yield();
      weft::sleep_for(5ms);
      auto [two, three] =
          weft::gather([] { return 2; }, [] { return weft::to_thread([] { return 3; }); });
      finished = two + three == 5;
    });
    started.wait();
  });
  EXPECT_TRUE(finished);
}

TEST(Run, DestroysLeftoversThatNeverRan) {
  LiveCount live;
  for (int round = 0; round < support::scaled(100); ++round) {
    weft::run([&] {
      for (int i = 0; i < 20; ++i) weft::spawn([token = live.token()] { sleep_forever(); });
    });
    ASSERT_EQ(live.alive(), 0);
  }
  EXPECT_EQ(live.made(), support::scaled(100) * 20);
}

// A task that is started while the runtime ends belongs to somebody's cleaning up; it is cancelled
// when those that were there before are done.
void leave_another_behind(std::atomic<int>& ended, int depth) {
  auto started = std::make_shared<weft::Event>();
  weft::spawn([&ended, depth, started] {
    started->set();
    sleep_until_cancelled();
    if (depth > 1) leave_another_behind(ended, depth - 1);
    ++ended;
  });
  started->wait();
}

TEST(Run, CancelsAndAwaitsWhatLeftoversSpawn) {
  std::atomic<int> ended{0};
  weft::run([&] { leave_another_behind(ended, 5); });
  EXPECT_EQ(ended, 5);
}

// Only those that are there when main has ended are cancelled at once, however long that takes.
TEST(Run, LeftoversMayWaitForWhatTheySpawn) {
  constexpr int kLeftovers = 100;
  for (int round = 0; round < support::scaled(50); ++round) {
    std::atomic<int> sum{0};
    Arrivals started(kLeftovers);
    weft::run([&] {
      for (int i = 0; i < kLeftovers; ++i) {
        weft::spawn([&] {
          started.arrive();
          sleep_until_cancelled();
          sum += weft::spawn([] {
                   weft::yield();
                   return 2;
                 }).get();
        });
      }
      started.wait();
    });
    ASSERT_EQ(sum, 2 * kLeftovers) << "in round " << round;
  }
}

TEST(Run, AwaitsAStormOfTasksSpawnedWhileItEnds) {
  LiveCount live;
  struct Tree {
    static void grow(const LiveCount::Token& token, int depth) {
      sleep_until_cancelled();
      for (int i = 0; depth > 0 && i < 2; ++i) {
        weft::spawn([token, depth] { grow(token, depth - 1); });
      }
    }
  };
  weft::run([&] {
    weft::spawn([token = live.token()] { Tree::grow(token, 7); });
    weft::yield();
  });
  EXPECT_EQ(live.alive(), 0);
}

TEST(Run, EndsLeftoversBeforeItThrows) {
  LiveCount live;
  EXPECT_THROW(weft::run([&] {
                 Arrivals started(10);
                 for (int i = 0; i < 10; ++i) {
                   weft::spawn([&started, token = live.token()] {
                     started.arrive();
                     sleep_forever();
                   });
                 }
                 started.wait();
                 throw std::runtime_error("main fails");
               }),
               std::runtime_error);
  EXPECT_EQ(live.alive(), 0);
}

TEST(Run, ReportsWhatLeftoversThrow) {
  support::LostExceptionLog log;
  weft::run(weft::Options{.on_lost_exception = log.handler()}, [] {
    weft::Event started;
    weft::spawn([&started] {
      started.set();
      sleep_until_cancelled();
      throw std::runtime_error("while cleaning up");
    });
    started.wait();
  });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(support::text_of(log.entries()[0].exception), "while cleaning up");
}

TEST(Run, WaitsForTheBlockingPool) {
  weft::Event begun, go;
  std::atomic<bool> finished{false};
  weft::run([&] {
    weft::Task<void> waiter = weft::spawn([&] {
      weft::to_thread([&] {
        begun.set();
        go.wait();
        // Long enough for a run that does not wait to be seen returning.
        std::this_thread::sleep_for(20ms);
        finished = true;
      });
    });
    begun.wait();
    waiter.cancel();
    EXPECT_TRUE(throws_cancelled([&] { waiter.get(); }));
    weft::Event started;
    weft::spawn([&] {
      started.set();
      sleep_until_cancelled();  // main has ended
      go.set();
    });
    started.wait();
  });
  EXPECT_TRUE(finished);
}

}  // namespace
