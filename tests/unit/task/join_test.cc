// Goal: a fiber that waits for a child which would run next runs it at once, its own wait held back
// until the child stops for the first time; and nobody can tell, but by looking at its word.
// Method: one worker; the child looks at its parent's word, and does what could tell. With several
// workers, others cancel the parent meanwhile.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/chaos.h"
#include "fiber/fiber.h"
#include "sched/wait.h"
#include "support/live_count.h"

namespace weft {
namespace {

using detail::Fiber;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Chaos takes the usual way now and then.
constexpr bool kChaos = detail::chaos::kOn;

void run_alone(const std::function<void()>& body) { run(Options{.workers = 1}, body); }

Fiber& self() { return *detail::current_fiber(); }

TEST(Join, ChildThatDoesNotStopRunsBeforeItsParentsWaitIsShown) {
  run_alone([] {
    Fiber& parent = self();
    bool shown = true;
    const int value = spawn([&] {
                        shown = parent.word.waiting();
                        return 3;
                      }).get();
    EXPECT_EQ(value, 3);
    EXPECT_TRUE(kChaos || !shown);
  });
}

TEST(Join, WaitIsShownWhenTheChildYieldsSleepsOrWaits) {
  run_alone([] {
    Fiber& parent = self();
    const std::vector<std::function<void()>> stops = {
        [] { yield(); },
        [] { sleep_for(milliseconds(1)); },
        [] {
          Event event;
          const Task<void> setter = spawn([&] { event.set(); });
          event.wait();
        },
        [] { spawn([] {}).get(); },
        [] { timeout(seconds(60), [] { yield(); }); },
    };
    for (const auto& stop : stops) {
      spawn([&] {
        stop();
        EXPECT_TRUE(parent.word.waiting());
      }).get();
    }
  });
}

TEST(Join, ChainOfChildrenComesBackInOrder) {
  run_alone([] {
    std::string order;
    std::function<void(char)> descend = [&](char level) {
      order += level;
      if (level < 'f') spawn([&, level] { descend(static_cast<char>(level + 1)); }).get();
      if (level == 'f') yield();
      order += static_cast<char>(level - 'a' + 'A');
    };
    descend('a');
    EXPECT_EQ(order, "abcdefFEDCBA");
  });
}

TEST(Join, ParentThatIsCancelledByItsChildPassesThatOnWhenTheChildStops) {
  run_alone([] {
    bool told = false;
    Task<void> parent = spawn([&] {
      Task<void> child = spawn([&] {
        parent.cancel();
        EXPECT_FALSE(this_task::cancel_requested());
        try {
          sleep_for(seconds(60));
        } catch (const Cancelled&) {
          told = true;
          throw;
        }
      });
      EXPECT_THROW(child.get(), Cancelled);
      EXPECT_TRUE(child.cancelled());
      throw Cancelled();
    });
    parent.join();
    EXPECT_TRUE(told);
    EXPECT_TRUE(parent.cancelled());
  });
}

TEST(Join, ParentThatIsCancelledByAChildThatEndsKeepsTheRequest) {
  run_alone([] {
    Task<void> parent = spawn([&] {
      Task<int> child = spawn([&] {
        parent.cancel();
        return 1;
      });
      EXPECT_THROW(child.get(), Cancelled);
      EXPECT_EQ(child.get(), 1) << "the request was told, and is not told twice";
    });
    parent.join();
    EXPECT_FALSE(parent.cancelled());
  });
}

TEST(Join, RequestThatTheChildTakesBackHasBeenPassedOnAllTheSame) {
  run_alone([] {
    Task<void> parent = spawn([&] {
      Task<void> child = spawn([&] {
        parent.cancel();
        parent.uncancel();
        sleep_for(seconds(60));
      });
      EXPECT_THROW(child.get(), Cancelled);
      EXPECT_TRUE(child.cancelled());
    });
    parent.get();
  });
}

// By way of an entry that the child erases: the last handle goes while its parent waits.
template <class Result>
void child_that_drops_its_handle(const std::function<void()>& then) {
  run_alone([&] {
    support::LiveCount results;
    std::vector<Task<Result>> tasks;
    tasks.push_back(spawn([&] {
      tasks.clear();
      then();
      return Result{results.token()};
    }));
    tasks.front().join();
    yield();
    EXPECT_EQ(results.alive(), 0);
  });
}

struct Plain {
  support::LiveCount::Token token;
};
struct StopsInItsDestructor {
  ~StopsInItsDestructor() { yield(); }
  support::LiveCount::Token token;
};

TEST(Join, ChildMayDropTheHandleThatItsParentWaitsThrough) {
  child_that_drops_its_handle<Plain>([] {});
  child_that_drops_its_handle<Plain>([] { yield(); });
  child_that_drops_its_handle<Plain>([] { sleep_for(milliseconds(1)); });
  child_that_drops_its_handle<StopsInItsDestructor>([] {});
  child_that_drops_its_handle<StopsInItsDestructor>([] { yield(); });
}

TEST(Join, CancelledJoinLeavesTheChildAlone) {
  run_alone([] {
    Event go;
    Task<int> child;
    Task<void> parent = spawn([&] {
      child = spawn([&] {
        parent.cancel();
        go.wait();
        return 2;
      });
      child.join();
    });
    parent.join();
    EXPECT_TRUE(parent.cancelled());
    EXPECT_FALSE(child.done());
    go.set();
    EXPECT_EQ(child.get(), 2);
  });
}

TEST(Join, CancellationByAThreadWhileTheChildRunsIsNotLost) {
  for (int round = 0; round < 20; ++round) {
    run_alone([] {
      std::atomic<bool> child_runs = false;
      std::atomic<bool> asked = false;
      Task<void> parent = spawn([&] {
        spawn([&] {
          child_runs = true;
          while (!asked) std::this_thread::yield();
          sleep_for(seconds(60));
        }).get();
      });
      std::thread thread([&] {
        while (!child_runs) std::this_thread::yield();
        parent.cancel();
        asked = true;
      });
      parent.join();
      EXPECT_TRUE(parent.cancelled());
      thread.join();
    });
  }
}

// Elsewhere, for its own worker has the child to run.
TEST(Join, OfSeveralWorkersOneThatIsCancelledGoesOnWhileItsChildRuns) {
  for (int round = 0; round < 20; ++round) {
    run(Options{.workers = 2}, [] {
      std::atomic<bool> child_runs = false;
      std::atomic<bool> parent_is_told = false;
      Task<int> child;
      Task<void> parent = spawn([&] {
        child = spawn([&] {
          child_runs = true;
          while (!parent_is_told) std::this_thread::yield();
          return 3;
        });
        EXPECT_THROW(child.join(), Cancelled);
        parent_is_told = true;
      });
      while (!child_runs) yield();
      parent.cancel();
      parent.join();
      EXPECT_EQ(child.get(), 3);
    });
  }
}

TEST(Join, OfSeveralWorkersATimeLimitTellsAChildThatDoesNotStop) {
  run(Options{.workers = 2}, [] {
    std::atomic<bool> told = false;
    EXPECT_THROW(timeout(milliseconds(5),
                         [&] {
                           spawn([&] {
                             while (!this_task::cancel_requested()) std::this_thread::yield();
                             told = true;
                           }).get();
                         }),
                 TimeoutError);
    EXPECT_TRUE(told);
  });
}

TEST(Join, OfSeveralWorkersTheWaitIsShownWhenTheChildStops) {
  run(Options{.workers = 2}, [] {
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(spawn([] {
                  yield();
                  sleep_for(std::chrono::microseconds(10));
                  return 3;
                }).get(),
                3);
    }
  });
}

TEST(Join, TimeoutEndsTheWaitForAChildThatSleeps) {
  run_alone([] {
    Task<void> child;
    EXPECT_THROW(timeout(milliseconds(5),
                         [&] {
                           child = spawn([] { sleep_for(seconds(60)); });
                           child.get();
                         }),
                 TimeoutError);
    EXPECT_TRUE(child.cancelled());
  });
}

TEST(Join, WhatTheChildThrowsComesOut) {
  run_alone([] {
    EXPECT_THROW(spawn([] { throw std::out_of_range("child"); }).get(), std::out_of_range);
    try {
      throw std::runtime_error("outer");
    } catch (const std::runtime_error& outer) {
      EXPECT_THROW(spawn([] { throw std::out_of_range("child"); }).get(), std::out_of_range);
      EXPECT_STREQ(outer.what(), "outer");
      EXPECT_EQ(std::uncaught_exceptions(), 0);
    }
  });
}

TEST(Join, DestructorMayWaitWhileAnExceptionUnwinds) {
  run_alone([] {
    struct Waits {
      Waits(Task<void>& asked, int& result) : parent(asked), done(result) {}
      ~Waits() {
        done = spawn([this] {
                 parent.cancel();
                 yield();
                 return std::uncaught_exceptions();
               }).get();
      }
      Task<void>& parent;
      int& done;
    };
    int done = -1;
    Task<void> parent = spawn([&] {
      EXPECT_THROW(
          {
            const Waits waits(parent, done);
            throw std::runtime_error("unwinds");
          },
          std::runtime_error);
      EXPECT_EQ(done, 0);
      EXPECT_THROW(yield(), Cancelled) << "the request comes through when it may";
    });
    parent.join();
  });
}

TEST(Join, SiblingsRunInOrderAheadOfWhoWaitsForTheFirst) {
  run_alone([] {
    std::string order;
    Task<void> first = spawn([&] { order += '1'; });
    const Task<void> second = spawn([&] { order += '2'; });
    const Task<void> third = spawn([&] { order += '3'; });
    first.get();
    EXPECT_EQ(order, "123");
  });
}

TEST(Join, OthersThatAreReadyGetTheirTurns) {
  run_alone([] {
    bool stop = false;
    int turns = 0;
    const Task<void> other = spawn([&] {
      while (!stop) {
        ++turns;
        yield();
      }
    });
    yield();
    for (int i = 0; i < 10'000; ++i) spawn([] {}).get();
    EXPECT_GE(turns, 10'000 / 64);
    stop = true;
    other.join();
  });
}

TEST(Join, TimersFireAlthoughTheParentNeverStops) {
  run_alone([] {
    bool woken = false;
    const Task<void> sleeper = spawn([&] {
      sleep_for(milliseconds(1));
      woken = true;
    });
    yield();
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (!woken && std::chrono::steady_clock::now() < deadline) spawn([] {}).get();
    EXPECT_TRUE(woken);
  });
}

TEST(Join, WaitingForItselfIsAnError) {
  run_alone([] {
    Task<void> task;
    task = spawn([&] { EXPECT_THROW(task.get(), std::logic_error); });
    task.get();
  });
}

TEST(Join, StrictOrderIsKept) {
  run(Options{.workers = 1, .fifo = true}, [] {
    std::string order;
    const Task<void> earlier = spawn([&] { order += '1'; });
    spawn([&] { order += '2'; }).get();
    EXPECT_EQ(order, "12");
  });
}

}  // namespace
}  // namespace weft
