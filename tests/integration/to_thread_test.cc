// Goal: to_thread calls on a thread of its own and gives back what the call ended with; the worker
// goes on meanwhile, and a wait that is cancelled leaves the call to itself. Method: calls that are
// kept from ending by events set from fibers.

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Arrivals;
using support::LiveCount;
using support::throws_cancelled;

[[gnu::noinline]] long thread_id() { return ::syscall(SYS_gettid); }

TEST(ToThread, ReturnsTheResult) {
  weft::run([] {
    EXPECT_EQ(weft::to_thread([] { return 7; }), 7);
    EXPECT_EQ(weft::to_thread([] { return std::string(200, 's'); }), std::string(200, 's'));
    static_assert(std::is_void_v<decltype(weft::to_thread([] {}))>);
    bool ran = false;
    weft::to_thread([&] { ran = true; });
    EXPECT_TRUE(ran);
  });
}

TEST(ToThread, MovesMoveOnlyThings) {
  weft::run([] {
    auto number = std::make_unique<int>(5);
    std::unique_ptr<int> back =
        weft::to_thread([number = std::move(number)]() mutable { return std::move(number); });
    EXPECT_EQ(*back, 5);
  });
}

TEST(ToThread, RethrowsWhatTheCallThrew) {
  weft::run([] {
    try {
      weft::to_thread([]() -> int { throw std::runtime_error("on the thread"); });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "on the thread");
    }
    EXPECT_THROW(weft::to_thread([] { throw 3; }), int);
    EXPECT_THROW(weft::to_thread([] { throw weft::Cancelled(); }), weft::Cancelled);
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

TEST(ToThread, RunsOnAnotherThreadOutsideOfAnyTask) {
  weft::run([] {
    const weft::PinScope pin;
    const long mine = thread_id();
    weft::to_thread([=] {
      EXPECT_NE(thread_id(), mine);
      EXPECT_EQ(weft::this_task::id(), 0u);
      EXPECT_EQ(weft::metrics().workers, 0u);
    });
    EXPECT_EQ(thread_id(), mine);
  });
}

TEST(ToThread, LetsTheWorkerGoOn) {
  weft::run(weft::Options{.workers = 1}, [] {
    weft::Event go;
    weft::Task<void> waiter = weft::spawn([&] { weft::to_thread([&] { go.wait(); }); });
    for (int i = 0; i < 10; ++i) weft::yield();
    EXPECT_FALSE(waiter.done());
    go.set();
    waiter.get();
  });
}

TEST(ToThread, RunsManyCallsAtOnce) {
  weft::run(weft::Options{.blocking_threads = 16}, [] {
    Arrivals meet(16);
    std::vector<weft::Task<void>> callers;
    for (int i = 0; i < 16; ++i) {
      callers.push_back(weft::spawn([&] {
        weft::to_thread([&] {
          meet.arrive();
          meet.wait();
        });
      }));
    }
    weft::gather(callers);
  });
}

TEST(ToThread, QueuesCallsBeyondTheThreadsThereAre) {
  weft::run(weft::Options{.blocking_threads = 2}, [] {
    std::atomic<int> inside{0}, most{0};
    std::vector<weft::Task<int>> callers;
    for (int i = 0; i < 200; ++i) {
      callers.push_back(weft::spawn([&, i] {
        return weft::to_thread([&, i] {
          const int now = ++inside;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          --inside;
          return i;
        });
      }));
    }
    const std::vector<int> results = weft::gather(callers);
    for (int i = 0; i < 200; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
    EXPECT_LE(most, 2);
  });
}

TEST(ToThread, MayWaitForFibersAndFibersForIt) {
  weft::run([] {
    weft::Event ping, pong;
    weft::Task<int> fiber = weft::spawn([&] {
      ping.wait();
      pong.set();
      return 1;
    });
    const int result = weft::to_thread([&] {
      ping.set();
      pong.wait();
      fiber.join();
      return fiber.get() + 1;
    });
    EXPECT_EQ(result, 2);
  });
}

TEST(ToThread, CancelEndsTheWaitAndNotTheCall) {
  LiveCount live;
  weft::run([&] {
    weft::Event begun, go, ended;
    weft::Task<void> caller = weft::spawn([&] {
      const std::string text(300, 'c');
      weft::to_thread([&, text, token = live.token()] {
        begun.set();
        go.wait();
        EXPECT_EQ(text, std::string(300, 'c'));  // its own: the caller's is gone
        EXPECT_GE(live.alive(), 1);
        ended.set();
      });
    });
    begun.wait();
    caller.cancel();
    EXPECT_THROW(caller.get(), weft::Cancelled);
    EXPECT_FALSE(ended.is_set());
    go.set();
    ended.wait();
  });
  EXPECT_EQ(live.alive(), 0);
}

TEST(ToThread, CancelledWhileItQueuesTheCallIsMadeAllTheSame) {
  weft::run(weft::Options{.blocking_threads = 1}, [] {
    weft::Event busy, go, called;
    weft::Task<void> first = weft::spawn([&] {
      weft::to_thread([&] {
        busy.set();
        go.wait();
      });
    });
    busy.wait();
    support::Arrivals about(1);
    weft::Task<void> second = weft::spawn([&] {
      about.arrive();
      weft::to_thread([&] { called.set(); });
    });
    about.wait();
    second.cancel();
    EXPECT_THROW(second.get(), weft::Cancelled);
    EXPECT_FALSE(called.is_set());
    go.set();
    called.wait();
    first.get();
  });
}

TEST(ToThread, ResultOfACancelledWaitIsDestroyed) {
  LiveCount live;
  weft::run([&] {
    weft::Event begun, go;
    weft::Task<void> returns = weft::spawn([&] {
      weft::to_thread([&, token = live.token()] {
        begun.set();
        go.wait();
        return token;
      });
    });
    weft::Event begun_too;
    weft::Task<void> throws = weft::spawn([&] {
      weft::to_thread([&, token = live.token()] {
        begun_too.set();
        go.wait();
        throw token;
      });
    });
    begun.wait();
    begun_too.wait();
    returns.cancel();
    throws.cancel();
    EXPECT_TRUE(throws_cancelled([&] { returns.get(); }));
    EXPECT_TRUE(throws_cancelled([&] { throws.get(); }));
    go.set();
    // Until both calls have ended, `go` is needed.
    while (live.alive() > 0) weft::yield();
  });
  EXPECT_EQ(live.alive(), 0);
}

TEST(ToThread, OrdersMemoryBothWays) {
  weft::run([] {
    for (int round = 0; round < support::scaled(1'000); ++round) {
      int there = round, back = 0;
      weft::to_thread([&] { back = there; });
      ASSERT_EQ(back, round);
    }
  });
}

TEST(ToThread, WorksForManyTasksOverAndOver) {
  weft::run([] {
    std::vector<weft::Task<int>> tasks;
    for (int i = 0; i < 50; ++i) {
      tasks.push_back(weft::spawn([i] {
        int sum = 0;
        for (int round = 0; round < support::scaled(50); ++round) {
          sum += weft::to_thread([=] { return i; });
        }
        return sum;
      }));
    }
    for (int i = 0; i < 50; ++i) {
      EXPECT_EQ(tasks[static_cast<std::size_t>(i)].get(), i * support::scaled(50));
    }
  });
}

}  // namespace
