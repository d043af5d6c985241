// Goal: of several requests to stop, that of a time limit among them, each is told exactly once: by
// the exception that leaves, or at the next wait. Method: requests are put where they meet: before
// a wait, during it, between its end and the moment when its fiber runs, and while its frames are
// unwound.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using weft::Task;

const weft::Options kInOrder{.workers = 1, .fifo = true};

// Takes its time to stop.
Task<void> slow_to_stop() {
  Task<void> task = weft::spawn([] {
    struct Cleanup {
      ~Cleanup() { weft::sleep_for(60ms); }
    } cleanup;
    support::sleep_forever();
  });
  weft::yield();
  return task;
}

// `wait` is cancelled by a request of before, and once more by the limit, and throws once.
template <class Wait>
void expect_that_the_request_of_before_stays(const weft::Options& options, Wait wait) {
  weft::run(options, [&] {
    bool timed_out = false;
    const Task<void> task = weft::spawn([&] {
      Task<void> slow = slow_to_stop();
      weft::this_task::cancel();
      try {
        weft::timeout(20ms, [&] { wait(slow); });
      } catch (const weft::TimeoutError&) {
        timed_out = true;
      }
    });
    task.join();
    EXPECT_FALSE(timed_out);
    EXPECT_TRUE(task.cancelled());
  });
}

TEST(CancelMerging, ALimitWithinAJoinDoesNotHideTheRequestOfBefore) {
  expect_that_the_request_of_before_stays(kInOrder, [](Task<void>& slow) { slow.get(); });
}

TEST(CancelMerging, ALimitWithinAGatherDoesNotHideTheRequestOfBefore) {
  expect_that_the_request_of_before_stays(kInOrder, [](Task<void>& slow) { weft::gather(slow); });
}

// The child begins elsewhere, as the owner does not wait before it is to end.
TEST(CancelMerging, ALimitWithinAGroupDoesNotHideTheRequestOfBefore) {
  expect_that_the_request_of_before_stays({.workers = 2}, [](Task<void>& slow) {
    weft::task_group([&](weft::TaskGroup& group) {
      std::atomic<bool> begun{false};
      group.spawn([&] {
        begun = true;
        slow.get();
      });
      while (!begun) continue;
    });
  });
}

// The scope's own request came while the other's exception unwound: nobody else is to hear of it.
TEST(CancelMerging, ALimitThatIsReachedWhileACancellationUnwindsLeavesNothing) {
  weft::run(kInOrder, [] {
    bool told_again = false;
    const Task<void> task = weft::spawn([&] {
      struct Slow {
        ~Slow() { weft::sleep_for(40ms); }
      };
      try {
        weft::timeout(20ms, [] {
          Slow slow;
          support::sleep_forever();
        });
      } catch (const weft::Cancelled&) {
        try {
          weft::sleep_for(1ms);
        } catch (const weft::Cancelled&) {
          told_again = true;
        }
        throw;
      }
    });
    weft::sleep_for(5ms);
    task.cancel();
    task.join();
    EXPECT_TRUE(task.cancelled());
    EXPECT_FALSE(told_again);
  });
}

// The last child has ended, and the owner not run yet.
TEST(CancelMerging, ARequestAfterTheLastChildOfAGroupLeavesTheGroup) {
  weft::run(kInOrder, [] {
    weft::Event go;
    bool left_normally = false;
    const Task<void> owner = weft::spawn([&] {
      weft::task_group([&](weft::TaskGroup& group) { group.spawn([&] { go.wait(); }); });
      left_normally = true;
    });
    for (int i = 0; i < 4; ++i) weft::yield();
    go.set();
    weft::yield();
    owner.cancel();
    owner.join();
    EXPECT_FALSE(left_normally);
    EXPECT_TRUE(owner.cancelled());
  });
}

TEST(CancelMerging, ARequestAfterTheLastChildOfAGatherLosesNoException) {
  support::LostExceptionLog log;
  weft::run(weft::Options{.workers = 1, .fifo = true, .on_lost_exception = log.handler()}, [] {
    weft::Event go;
    const Task<void> owner = weft::spawn([&] {
      weft::gather(weft::return_exceptions, [&] {
        go.wait();
        throw std::runtime_error("read by the gather");
      });
    });
    for (int i = 0; i < 4; ++i) weft::yield();
    go.set();
    weft::yield();
    owner.cancel();
    owner.join();
    EXPECT_TRUE(owner.cancelled());
  });
  EXPECT_EQ(log.size(), 0U);
}

// The group says more than the first request would, which is to be told again; by then the limit
// has been reached as well, whose own request nobody was told of.
TEST(CancelMerging, ALimitDoesNotDropWhatAGroupHasToldAgain) {
  for (const unsigned workers : {1U, 2U}) {
    weft::run({.workers = workers}, [] {
      bool grouped = false;
      const Task<void> task = weft::spawn([&] {
        const auto child = [] {
          try {
            support::sleep_forever();
          } catch (const weft::Cancelled&) {
            throw std::runtime_error("the cleanup failed");
          }
        };
        try {
          weft::timeout(1h, [&](weft::TimeoutScope& scope) {
            weft::task_group([&](weft::TaskGroup& group) {
              group.spawn(child);
              try {
                support::sleep_forever();
              } catch (const weft::Cancelled&) {
                scope.reschedule(support::Clock::now() - 1s);
                throw;
              }
            });
          });
        } catch (const weft::ExceptionGroup&) {
          grouped = true;
        }
        EXPECT_EQ(weft::this_task::cancelling(), 1U);
        weft::sleep_for(1ms);
      });
      weft::sleep_for(5ms);  // it waits
      task.cancel();
      task.join();
      EXPECT_TRUE(grouped);
      EXPECT_TRUE(task.cancelled());
    });
  }
}

TEST(CancelMerging, ALimitIsToldWhenTheRequestOfBeforeHasBeenTakenBack) {
  weft::run(kInOrder, [] {
    weft::this_task::cancel();
    const auto body = [] {
      EXPECT_EQ(weft::this_task::uncancel(), 0U);
      support::sleep_forever();
    };
    EXPECT_THROW(weft::timeout(5ms, body), weft::TimeoutError);
    EXPECT_EQ(weft::this_task::cancelling(), 0U);
  });
}

}  // namespace
