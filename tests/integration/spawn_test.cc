// Goal: a spawned task runs once, on its own, and its handle tells the truth about it: result,
// exception, name, identity, from any fiber or thread and after the runtime has gone. Method: small
// programs; where several outcomes would be legal by chance, a pinned task or an event decides.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <array>
#include <cerrno>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/live_count.h"
#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using support::Arrivals;
using support::LiveCount;
using support::sleep_forever;

// ---- Results.

TEST(Spawn, GetReturnsTheResult) {
  weft::run([] {
    EXPECT_EQ(weft::spawn([] { return 1; }).get(), 1);
    EXPECT_EQ(weft::spawn([] { return std::string(500, 'r'); }).get(), std::string(500, 'r'));
    static_assert(std::is_void_v<decltype(weft::spawn([] {}).get())>);
    weft::spawn([] {}).get();
  });
}

TEST(Spawn, GetOnALvalueMayBeRepeated) {
  weft::run([] {
    weft::Task<std::string> task = weft::spawn([] { return std::string("again"); });
    EXPECT_EQ(task.get(), "again");
    EXPECT_EQ(&task.get(), &task.get());
    task.get() += "!";
    EXPECT_EQ(task.get(), "again!");
  });
}

TEST(Spawn, GetOnATemporaryMovesAMoveOnlyResultOut) {
  weft::run([] {
    std::unique_ptr<int> result = weft::spawn([] { return std::make_unique<int>(4); }).get();
    EXPECT_EQ(*result, 4);
    weft::Task<std::unique_ptr<int>> task = weft::spawn([] { return std::make_unique<int>(5); });
    EXPECT_EQ(*task.get(), 5);
    result = std::move(task).get();
    EXPECT_EQ(*result, 5);
  });
}

TEST(Spawn, ResultNeedNotBeMovable) {
  struct Fixed {
    explicit Fixed(int start) : number(start) {}
    Fixed(const Fixed&) = delete;
    Fixed& operator=(const Fixed&) = delete;
    std::atomic<int> number;
  };
  weft::run([] {
    weft::Task<Fixed> task = weft::spawn([] { return Fixed(3); });
    EXPECT_EQ(task.get().number, 3);
  });
}

TEST(Spawn, ResultAndCapturesMayBeLargeAndAligned) {
  struct alignas(128) Wide {
    std::array<char, 4096> bytes;
  };
  weft::run([] {
    Wide wide;
    wide.bytes.fill('w');
    weft::Task<Wide> task = weft::spawn([wide] {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&wide) % alignof(Wide), 0u);
      return wide;
    });
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&task.get()) % alignof(Wide), 0u);
    EXPECT_EQ(task.get().bytes, wide.bytes);
  });
}

// ---- Exceptions.

TEST(Spawn, GetRethrowsEachTime) {
  weft::run([] {
    weft::Task<int> task = weft::spawn([]() -> int { throw std::runtime_error("task fails"); });
    for (int i = 0; i < 2; ++i) {
      try {
        task.get();
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "task fails");
      }
    }
    EXPECT_FALSE(task.cancelled());
    EXPECT_EQ(support::text_of(task.exception()), "task fails");
  });
}

TEST(Spawn, GetRethrowsExceptionsOfAnyType) {
  weft::run([] {
    EXPECT_THROW(weft::spawn([] { throw 17; }).get(), int);
    EXPECT_THROW(weft::spawn([] { throw std::string("s"); }).get(), std::string);
    EXPECT_THROW(weft::spawn([] { throw weft::Cancelled(); }).get(), weft::Cancelled);
  });
}

TEST(Spawn, ExceptionIsNullUntilATaskHasFailed) {
  weft::run([] {
    weft::Event go;
    weft::Task<void> task = weft::spawn([&] { go.wait(); });
    EXPECT_EQ(task.exception(), nullptr);
    EXPECT_FALSE(task.done());
    go.set();
    task.get();
    EXPECT_EQ(task.exception(), nullptr);
    EXPECT_TRUE(task.done());
  });
}

TEST(Spawn, JoinDoesNotThrowWhatTheTaskThrew) {
  weft::run([] {
    weft::Task<void> task = weft::spawn([] { throw std::runtime_error("only for get"); });
    task.join();
    EXPECT_TRUE(task.done());
    EXPECT_NE(task.exception(), nullptr);
  });
}

// Exceptions belong to the fiber, also while it sleeps in the middle of a handler.
TEST(Spawn, EachFiberHandlesItsOwnExceptionAcrossSuspensions) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 50; ++i) {
      tasks.push_back(weft::spawn([i] {
        try {
          throw i;
        } catch (int outer) {
          weft::sleep_for(std::chrono::microseconds(i % 7));
          try {
            throw std::to_string(i);
          } catch (const std::string& inner) {
            weft::yield();
            EXPECT_EQ(inner, std::to_string(i));
          }
          weft::yield();
          EXPECT_EQ(outer, i);
          EXPECT_THROW(throw, int);
        }
        EXPECT_EQ(std::current_exception(), nullptr);
      }));
    }
    weft::gather(tasks);
  });
}

[[gnu::noinline]] void set_errno(int value) { errno = value; }
[[gnu::noinline]] int get_errno() { return errno; }

TEST(Spawn, EachFiberHasItsOwnErrno) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 1; i <= 50; ++i) {
      tasks.push_back(weft::spawn([i] {
        EXPECT_EQ(get_errno(), 0);
        set_errno(i);
        for (int round = 0; round < 20; ++round) {
          weft::yield();
          ASSERT_EQ(get_errno(), i);
        }
      }));
    }
    weft::gather(tasks);
  });
}

// ---- Life.

TEST(Spawn, DetachedTasksGoOn) {
  weft::run([] {
    Arrivals done(10);
    for (int i = 0; i < 10; ++i) {
      weft::spawn([&done] {
        weft::yield();
        done.arrive();
      });
    }
    done.wait();
  });
}

TEST(Spawn, CapturesDieWithTheBodyNotWithTheHandle) {
  LiveCount live;
  weft::run([&] {
    weft::Task<void> returns = weft::spawn([token = live.token()] {});
    weft::Task<void> throws = weft::spawn([token = live.token()] { throw 1; });
    returns.join();
    throws.join();
    EXPECT_EQ(live.alive(), 0);
    EXPECT_NE(throws.exception(), nullptr);
  });
}

TEST(Spawn, ResultDiesWithTheLastHandle) {
  LiveCount live;
  weft::run([&] {
    weft::Task<LiveCount::Token> task = weft::spawn([&] { return live.token(); });
    task.join();
    weft::Task<LiveCount::Token> copy = task;
    task = {};
    EXPECT_EQ(live.alive(), 1);
    copy = {};
    // The task holds itself until it has left, on another worker perhaps.
    EXPECT_TRUE(support::eventually([&] { return live.alive() == 0; }));
  });
}

TEST(Spawn, HandlesOutliveTheRuntime) {
  LiveCount live;
  weft::Task<std::string> value;
  weft::Task<void> failed, left;
  weft::Task<LiveCount::Token> dropped_later;
  weft::run([&] {
    value = weft::spawn([] { return std::string(300, 'v'); });
    failed = weft::spawn([] { throw std::runtime_error("kept"); });
    dropped_later = weft::spawn([&] { return live.token(); });
    weft::gather(weft::return_exceptions, value, failed);
    dropped_later.join();
    weft::Event started;
    left = weft::spawn([&started] {
      started.set();
      sleep_forever();
    });
    started.wait();
  });
  EXPECT_EQ(value.get(), std::string(300, 'v'));
  EXPECT_EQ(std::move(value).get(), std::string(300, 'v'));
  EXPECT_THROW(failed.get(), std::runtime_error);
  EXPECT_TRUE(left.done());
  EXPECT_TRUE(left.cancelled());
  EXPECT_THROW(left.get(), weft::Cancelled);
  EXPECT_FALSE(left.cancel());
  EXPECT_EQ(live.alive(), 1);
  dropped_later = {};
  EXPECT_EQ(live.alive(), 0);
}

TEST(Spawn, ManyMayWaitForOneTask) {
  weft::run([] {
    weft::Event go;
    weft::Task<int> task = weft::spawn([&] {
      go.wait();
      return 11;
    });
    Arrivals waiting(40);
    std::vector<weft::Task<int>> waiters;
    for (int i = 0; i < 40; ++i) {
      waiters.push_back(weft::spawn([&waiting, task, i]() mutable {
        waiting.arrive();
        if (i % 2 == 0) task.join();
        return task.get();
      }));
    }
    waiting.wait();
    go.set();
    for (weft::Task<int>& waiter : waiters) EXPECT_EQ(waiter.get(), 11);
  });
}

TEST(Spawn, ThreadsMayWaitForATask) {
  weft::run([] {
    weft::Event go;
    weft::Task<int> task = weft::spawn([&] {
      go.wait();
      return 12;
    });
    std::vector<std::future<int>> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(std::async(std::launch::async, [task]() mutable {
        task.join();
        return task.get();
      }));
    }
    go.set();
    weft::to_thread([&] {
      for (std::future<int>& thread : threads) EXPECT_EQ(thread.get(), 12);
    });
  });
}

TEST(Spawn, FailingCopyOfTheCallableStartsNothing) {
  struct Throws {
    LiveCount::Token token;
    explicit Throws(LiveCount& live) : token(live.token()) {}
    Throws(const Throws& other) : token(other.token) { throw std::bad_alloc(); }
    void operator()() const { ADD_FAILURE() << "must not run"; }
  };
  LiveCount live;
  weft::run([&] {
    const Throws callable(live);
    EXPECT_THROW(weft::spawn(callable), std::bad_alloc);
  });
  EXPECT_EQ(live.alive(), 0);
}

TEST(Spawn, RunsEachOfVeryManyOnce) {
  const int count = support::scaled(200'000);
  std::vector<std::atomic<unsigned char>> runs(static_cast<std::size_t>(count));
  weft::run([&] {
    Arrivals done(count);
    for (auto& run : runs) {
      weft::spawn([&] {
        ++run;
        done.arrive();
      });
    }
    done.wait();
  });
  for (auto& run : runs) ASSERT_EQ(run, 1);
}

// ---- Order.

// On one worker in strict order a program runs as asyncio would run it.
TEST(Spawn, OneStrictWorkerRunsInAsyncioOrder) {
  std::string order;
  weft::run(weft::Options{.workers = 1, .fifo = true}, [&] {
    std::vector<weft::Task<void>> tasks;
    for (char name : {'a', 'b', 'c'}) {
      tasks.push_back(weft::spawn([&order, name] {
        for (int i = 0; i < 3; ++i) {
          order += name;
          weft::yield();
        }
      }));
    }
    order += 'm';
    for (weft::Task<void>& task : tasks) task.get();
  });
  EXPECT_EQ(order, "mabcabcabc");
}

// Branch by branch otherwise, and whoever waits for the first of its tasks goes on when the others
// have had their turn, too: it would only wait for the next.
TEST(Spawn, OneWorkerRunsATreeBranchByBranch) {
  std::string order;
  weft::run(weft::Options{.workers = 1}, [&order] {
    const auto branch = [&order](char name, int twigs) {
      return weft::spawn([&order, name, twigs] {
        order += name;
        std::vector<weft::Task<void>> below;
        for (int i = 0; i < twigs; ++i) {
          below.push_back(weft::spawn([&order, i] { order += static_cast<char>('1' + i); }));
        }
        for (auto& twig : below) twig.get();
        if (twigs > 0) order += '.';
      });
    };
    weft::Task<void> tasks[] = {branch('a', 3), branch('b', 0), branch('c', 2), branch('d', 0)};
    for (auto& task : tasks) task.get();
    order += 'm';
  });
  EXPECT_EQ(order.back(), 'm');
  if (!support::kChaos) {
    EXPECT_EQ(order, "a123.bc12.dm");
  }
  std::erase_if(order, [](char name) { return name < 'a'; });
  EXPECT_EQ(order, "abcdm") << "chaos takes no branch before its elder sibling";
}

// What each side does is plain memory: ThreadSanitizer sees whether spawn and join order it.
TEST(Spawn, ChildSeesWhatCameBeforeAndParentWhatItDid) {
  weft::run([] {
    for (int round = 0; round < support::scaled(5'000); ++round) {
      int before = round;
      int by_get = 0, by_join = 0, by_thread = 0;
      weft::Task<void> first = weft::spawn([&] { by_get = before; });
      weft::Task<void> second = weft::spawn([&] { by_join = before; });
      weft::Task<void> third = weft::spawn([&] { by_thread = before; });
      first.get();
      second.join();
      while (!third.done()) weft::yield();
      ASSERT_EQ(by_get, round);
      ASSERT_EQ(by_join, round);
      ASSERT_EQ(by_thread, round);
    }
  });
}

}  // namespace
