// Goal: how a gather ends when a child fails or the caller is cancelled: the first exception at
// once, with siblings that go on unharmed; a cancellation only when every child has ended. Method:
// siblings that are kept from ending by events which the caller sets after the gather has thrown.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

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

// ---- A child fails.

TEST(GatherFailure, FirstExceptionReachesTheCallerAtOnceAndSiblingsGoOn) {
  weft::run([] {
    weft::Event go;
    Arrivals ended(2);
    const auto sibling = [&] {
      go.wait();  // would never end if gather waited for it
      ended.arrive();
    };
    try {
      weft::gather(
          sibling, [] { throw std::runtime_error("at once"); }, sibling);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "at once");
    }
    EXPECT_FALSE(ended.complete());
    go.set();
    ended.wait();
  });
}

TEST(GatherFailure, FirstMeansFirstInTime) {
  weft::run([] {
    weft::Event go;
    Arrivals ended(20 * 3);
    const auto early = [] { throw std::string("early"); };
    const auto late = [&] {
      go.wait();
      ended.arrive();
      throw std::string("late");
    };
    for (int round = 0; round < 20; ++round) {
      try {
        weft::gather(late, late, early, late);
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::string& text) {
        EXPECT_EQ(text, "early");
      }
    }
    go.set();
    ended.wait();
  });
}

TEST(GatherFailure, OfATaskThatHasFailedAlreadyIsThrown) {
  weft::run([] {
    weft::Task<void> failed = weft::spawn([] { throw 7; });
    failed.join();
    bool ran = false;
    weft::Event go;
    weft::Task<void> sibling = weft::spawn([&] {
      go.wait();
      ran = true;
    });
    EXPECT_THROW(weft::gather(sibling, failed), int);
    go.set();
    sibling.get();
    EXPECT_TRUE(ran);
  });
}

// The callables and all they own are gone from the caller's frame; children go on with their own.
TEST(GatherFailure, LeavesChildrenTheirCopiesOfLvalues) {
  weft::run([] {
    weft::Event go;
    Arrivals ended(7);
    std::optional<int> sum;
    auto child = [&go, &ended, text = std::make_shared<std::string>(5000, 't'),
                  own = std::string(100, 'o')] {
      go.wait();
      EXPECT_EQ(*text, std::string(5000, 't'));
      EXPECT_EQ(own, std::string(100, 'o'));
      ended.arrive();
    };
    {
      auto callable = child;
      EXPECT_THROW(weft::gather(callable, std::as_const(callable), [] { throw 1; }), int);
    }
    {
      std::vector<std::function<void()>> range(5, child);
      range.emplace_back([] { throw 2; });
      EXPECT_THROW(weft::gather(range), int);
    }
    // Whatever comes next uses the stack and heap that the callables were in.
    weft::gather([&sum] { sum = 1; });
    go.set();
    ended.wait();
  });
}

TEST(GatherFailure, LeavesChildrenTheirTemporaries) {
  weft::run([] {
    weft::Event go;
    Arrivals ended(2);
    EXPECT_THROW(weft::gather(
                     [&, text = std::string(500, 'a')] {
                       go.wait();
                       EXPECT_EQ(text, std::string(500, 'a'));
                       ended.arrive();
                       return text;
                     },
                     [&, text = std::make_unique<std::string>(500, 'b')] {
                       go.wait();
                       EXPECT_EQ(*text, std::string(500, 'b'));
                       ended.arrive();
                     },
                     [] { throw 1; }),
                 int);
    go.set();
    ended.wait();
  });
}

TEST(GatherFailure, AChildsOwnCancelledLooksRaised) {
  weft::run([] {
    weft::Event go;
    weft::Task<int> sibling = weft::spawn([&] {
      go.wait();
      return 3;
    });
    weft::Task<void> cancelled = weft::spawn(sleep_forever);
    EXPECT_THROW(weft::gather(sibling, cancelled, [=] { cancelled.cancel(); }), weft::Cancelled);
    EXPECT_THROW(weft::gather(sibling, [] { throw weft::Cancelled(); }), weft::Cancelled);
    // It was not the caller that was cancelled, nor the sibling.
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
    weft::yield();
    EXPECT_EQ(sibling.cancelling(), 0u);
    go.set();
    EXPECT_EQ(sibling.get(), 3);
  });
}

TEST(GatherFailure, AmongAThousandLeaksNothing) {
  LiveCount live;
  weft::run([&] {
    for (int round = 0; round < 3; ++round) {
      Arrivals running(1000);
      std::vector<std::function<LiveCount::Token()>> children(
          1000, [&running, token = live.token(), text = std::string(100, 'x')] {
            running.arrive();
            sleep_forever();  // until the end of run
            return token;
          });
      children.insert(children.begin() + 500, [&]() -> LiveCount::Token {
        running.wait();
        throw std::runtime_error("among a thousand");
      });
      EXPECT_THROW(weft::gather(std::move(children)), std::runtime_error);
    }
    EXPECT_EQ(live.alive(), 3000);
  });
  EXPECT_EQ(live.alive(), 0);
}

// Siblings end while the caller takes its leave because of the first failure.
TEST(GatherFailure, RacesWithTheEndsOfSiblings) {
  weft::run([] {
    std::atomic<int> ended{0};
    constexpr int kRounds = 300;
    for (int round = 0; round < kRounds; ++round) {
      const auto sibling = [&ended, turns = round % 5] {
        for (int i = 0; i < turns; ++i) weft::yield();
        ++ended;
      };
      EXPECT_THROW(weft::gather([] { throw 1; }, sibling, sibling, sibling), int);
    }
    while (ended < 3 * kRounds) weft::yield();
  });
}

TEST(GatherFailure, ToStartAChildEndsThoseThatWereStarted) {
  struct Throws {
    Throws() = default;
    Throws(const Throws&) { throw std::length_error("no copies"); }
    void operator()() const {}
  };
  LiveCount live;
  weft::run([&] {
    const Throws fails_to_start;
    EXPECT_THROW(weft::gather([token = live.token()] { sleep_forever(); },
                              [token = live.token()] { sleep_until_cancelled(); }, fails_to_start),
                 std::length_error);
    EXPECT_EQ(live.alive(), 0);
  });
}

// ---- The caller is cancelled.

/// Cancels a task once `children` have begun, and sees what its gather makes of that.
void cancel_gather(int children, const std::function<void(Arrivals& begun)>& gather_in_task) {
  weft::run([&] {
    Arrivals begun(children);
    weft::Task<bool> caller =
        weft::spawn([&] { return throws_cancelled([&] { gather_in_task(begun); }); });
    begun.wait();
    caller.cancel();
    EXPECT_TRUE(caller.get());
  });
}

TEST(GatherCancel, CancelsEveryChild) {
  std::atomic<int> cancelled{0};
  cancel_gather(50, [&](Arrivals& begun) {
    std::vector<std::function<void()>> children(50, [&] {
      begun.arrive();
      cancelled += throws_cancelled(sleep_forever) ? 1 : 0;
    });
    weft::gather(children);
  });
  EXPECT_EQ(cancelled, 50);
}

TEST(GatherCancel, LeavesWhenTheSlowestChildHasEnded) {
  std::atomic<int> ended{0};
  cancel_gather(4, [&](Arrivals& begun) {
    const auto slow = [&] {
      begun.arrive();
      sleep_until_cancelled();  // and takes its time
      weft::sleep_for(5ms);
      for (int i = 0; i < 20; ++i) weft::yield();
      ++ended;
      return 1;
    };
    try {
      weft::gather(slow, slow, sleep_forever, slow, slow);
      ADD_FAILURE() << "children that return a value do not undo the cancellation";
    } catch (const weft::Cancelled&) {
      EXPECT_EQ(ended, 4);
      throw;
    }
  });
}

TEST(GatherCancel, LeavesWhenTheSlowestChildHasEndedWithOutcomesToo) {
  std::atomic<int> ended{0};
  cancel_gather(2, [&](Arrivals& begun) {
    const auto slow = [&] {
      begun.arrive();
      sleep_until_cancelled();
      weft::sleep_for(5ms);
      ++ended;
    };
    try {
      weft::gather(weft::return_exceptions, slow, slow);
      ADD_FAILURE() << "return_exceptions does not swallow the caller's cancellation";
    } catch (const weft::Cancelled&) {
      EXPECT_EQ(ended, 2);
      throw;
    }
  });
}

TEST(GatherCancel, IsPassedOnEachTime) {
  weft::run([] {
    Arrivals begun(2), again(2);
    const auto stubborn = [&] {
      begun.arrive();
      sleep_until_cancelled();
      again.arrive();
      sleep_until_cancelled();
    };
    weft::Task<void> caller = weft::spawn([&] { weft::gather(stubborn, stubborn); });
    begun.wait();
    caller.cancel();
    again.wait();
    EXPECT_FALSE(caller.done());
    caller.cancel();
    EXPECT_THROW(caller.get(), weft::Cancelled);
  });
}

TEST(GatherCancel, PendingAlreadyEndsTheChildrenToo) {
  LiveCount live;
  support::run_pinned([&] {
    weft::Task<void> caller;
    caller = weft::spawn({.pinned = true}, [&] {
      caller.cancel();
      const auto child = [token = live.token()] { sleep_forever(); };
      weft::gather(child, child, child);
    });
    EXPECT_THROW(caller.get(), weft::Cancelled);
    EXPECT_EQ(live.alive(), 0);
  });
}

TEST(GatherCancel, ReachesTasksThatWerePassedIn) {
  weft::run([] {
    Arrivals begun(1);
    weft::Task<void> task = weft::spawn([&] {
      begun.arrive();
      sleep_forever();
    });
    weft::Task<void> caller = weft::spawn([&] { weft::gather(task, task); });
    begun.wait();
    weft::yield();
    caller.cancel();
    caller.join();
    if (caller.cancelled() && !task.done()) task.cancel();  // it had not begun to gather
    EXPECT_THROW(task.get(), weft::Cancelled);
  });
}

TEST(GatherCancel, GoesDownATreeOfGathers) {
  std::atomic<int> cancelled{0};
  struct Tree {
    static void grow(int depth, Arrivals& begun, std::atomic<int>& ends) {
      if (depth == 0) {
        begun.arrive();
        ends += throws_cancelled(sleep_forever) ? 1 : 0;
        throw weft::Cancelled();
      }
      const auto branch = [&, depth] { grow(depth - 1, begun, ends); };
      weft::gather(branch, branch, branch);
    }
  };
  cancel_gather(81, [&](Arrivals& begun) { Tree::grow(4, begun, cancelled); });
  EXPECT_EQ(cancelled, 81);
}

// What children throw because they are cancelled has been read: nobody else could.
TEST(GatherCancel, TakesNoteOfWhatChildrenThrowThen) {
  for (const bool outcomes : {false, true}) {
    support::LostExceptionLog log;
    weft::run(weft::Options{.on_lost_exception = log.handler()}, [&] {
      Arrivals begun(3);
      const auto child = [&] {
        begun.arrive();
        sleep_until_cancelled();
        throw std::runtime_error("while cancelled");
      };
      weft::Task<void> caller = weft::spawn([&] {
        if (outcomes) {
          weft::gather(weft::return_exceptions, child, child, child);
        } else {
          weft::gather(child, child, child);
        }
      });
      begun.wait();
      caller.cancel();
      EXPECT_THROW(caller.get(), weft::Cancelled);
    });
    EXPECT_EQ(log.size(), 0u) << (outcomes ? "with" : "without") << " return_exceptions";
  }
}

TEST(GatherCancel, AfterAFailureLeavesTheSiblingsAlone) {
  weft::run([] {
    weft::Event failed, go;
    weft::Task<int> sibling = weft::spawn([&] {
      go.wait();
      return 4;
    });
    weft::Task<void> caller = weft::spawn([&] {
      EXPECT_THROW(weft::gather(sibling, [] { throw 1; }), int);
      failed.set();
      sleep_forever();
    });
    failed.wait();
    caller.cancel();
    EXPECT_THROW(caller.get(), weft::Cancelled);
    EXPECT_EQ(sibling.cancelling(), 0u);
    go.set();
    EXPECT_EQ(sibling.get(), 4);
  });
}

}  // namespace
