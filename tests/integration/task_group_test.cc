// Goal: no child outlives its group; the first failure stops the others; and what leaves the group
// says all that went wrong, or that somebody outside wanted it to stop. Method: children that wait
// for ever unless they are told to stop, and events where the order matters.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using support::LiveCount;
using support::sleep_forever;

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return exception.what();
  }
}

/// The texts of what the group threw, in order.
template <class F>
std::vector<std::string> errors_of(F&& body) {
  std::vector<std::string> texts;
  try {
    weft::task_group(std::forward<F>(body));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const weft::ExceptionGroup& group) {
    for (const std::exception_ptr& error : group.errors()) texts.push_back(text_of(error));
  }
  return texts;
}

using Texts = std::vector<std::string>;

// ---- When all goes well.

TEST(TaskGroup, WaitsForAllChildrenAndReturnsWhatTheBodyReturns) {
  weft::run([] {
    std::atomic<int> ended = 0;
    const int result = weft::task_group([&](weft::TaskGroup& group) {
      for (int i = 0; i < 20; ++i) {
        group.spawn([&] {
          weft::yield();
          ++ended;
        });
      }
      return 7;
    });
    EXPECT_EQ(result, 7);
    EXPECT_EQ(ended, 20);
    weft::task_group([](weft::TaskGroup&) {});
  });
}

TEST(TaskGroup, GivesHandlesToResults) {
  weft::run([] {
    weft::Task<std::string> name;
    const int sum = weft::task_group([&](weft::TaskGroup& group) {
      weft::Task<int> two = group.spawn([] { return 2; });
      name = group.spawn({.name = "a child"}, [] { return weft::this_task::name(); });
      return two.get() + 1;
    });
    EXPECT_EQ(sum, 3);
    EXPECT_EQ(name.get(), "a child");
  });
}

TEST(TaskGroup, ChildrenStartSiblingsWhileItWaits) {
  weft::run([] {
    std::atomic<int> ran = 0;
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn([&] {
        weft::yield();
        group.spawn([&] {
          ++ran;
          group.spawn([&] { ++ran; });
        });
      });
    });
    EXPECT_EQ(ran, 2);
  });
}

TEST(TaskGroup, FreesChildrenAsTheyEnd) {
  weft::run([] {
    LiveCount results;
    weft::task_group([&](weft::TaskGroup& group) {
      for (int i = 0; i < 1000; ++i) {
        group.spawn([&] { return results.token(); }).join();
        EXPECT_LE(results.alive(), 4);
      }
    });
    EXPECT_EQ(results.alive(), 0);
  });
}

// ---- Failures.

TEST(TaskGroup, FirstFailureStopsSiblingsAndBody) {
  weft::run([] {
    std::atomic<int> waiting = 0;
    std::atomic<int> stopped = 0;
    const auto waits = [&] {
      try {
        ++waiting;
        sleep_forever();
      } catch (const weft::Cancelled&) {
        ++stopped;
        throw;
      }
    };
    EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                group.spawn(waits);
                group.spawn([&] {
                  while (waiting < 3) weft::yield();
                  throw Failure("child");
                });
                group.spawn(waits);
                waits();
              }),
              Texts{"child"});
    EXPECT_EQ(stopped, 3);
    EXPECT_EQ(weft::this_task::cancelling(), 0u) << "its own request is taken back";
    weft::yield();
  });
}

TEST(TaskGroup, FailureWhileItWaitsStopsSiblings) {
  weft::run([] {
    EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                group.spawn(sleep_forever);
                group.spawn([] {
                  for (int i = 0; i < 5; ++i) weft::yield();
                  throw Failure("late");
                });
              }),
              Texts{"late"});
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
    weft::yield();
  });
}

TEST(TaskGroup, CollectsAllFailuresTheBodysLast) {
  weft::run([] {
    EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                weft::Event first_waits;
                group.spawn([&] {
                  try {
                    first_waits.set();
                    sleep_forever();
                  } catch (const weft::Cancelled&) {
                    throw Failure("while stopping");
                  }
                });
                first_waits.wait();
                throw Failure("body");
              }),
              (Texts{"while stopping", "body"}));
  });
}

TEST(TaskGroup, ChildThatIsCancelledIsNoFailure) {
  weft::run([] {
    bool other_ended = false;
    weft::task_group([&](weft::TaskGroup& group) {
      const weft::Task<void> child = group.spawn(sleep_forever);
      group.spawn([&] {
        weft::yield();
        other_ended = true;
      });
      group.spawn([] { throw weft::Cancelled(); });
      child.cancel();
    });
    EXPECT_TRUE(other_ended);
  });
}

TEST(TaskGroup, ChildrenThatHaveNotStartedWhenItStopsNeverRun) {
  weft::run(weft::Options{.workers = 1}, [] {
    bool ran = false;
    EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                group.spawn([&] { ran = true; });
                throw Failure("body");
              }),
              Texts{"body"});
    EXPECT_FALSE(ran);
  });
}

/// Takes long to be copied: until whoever copies it has been asked to stop.
struct SlowToCopy {
  explicit SlowToCopy(bool& flag) : ran(flag) {}
  SlowToCopy(const SlowToCopy& other) : ran(other.ran) { support::sleep_until_cancelled(); }
  SlowToCopy(SlowToCopy&&) noexcept = default;
  void operator()() const { ran = true; }
  bool& ran;
};

TEST(TaskGroup, ChildThatIsBeingMadeWhenItStopsNeverRuns) {
  weft::run(weft::Options{.workers = 1}, [] {
    bool ran = false;
    const SlowToCopy child(ran);
    EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                group.spawn([] { throw Failure("sibling"); });
                EXPECT_NO_THROW(group.spawn(child)) << "it was in time";
              }),
              Texts{"sibling"});
    EXPECT_FALSE(ran);
  });
}

TEST(TaskGroup, RefusesChildrenOnceItStops) {
  weft::run([] {
    EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                group.spawn([] { throw Failure("child"); });
                support::sleep_until_cancelled();
                EXPECT_THROW(group.spawn([] {}), std::logic_error);
              }),
              Texts{"child"});
  });
}

TEST(TaskGroup, Nests) {
  weft::run([] {
    try {
      weft::task_group([](weft::TaskGroup& outer) {
        outer.spawn([] {
          weft::task_group([](weft::TaskGroup& inner) {
            inner.spawn([] { throw Failure("inner child"); });
            sleep_forever();
          });
        });
        sleep_forever();
      });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const weft::ExceptionGroup& group) {
      ASSERT_EQ(group.errors().size(), 1u);
      EXPECT_TRUE(group.contains<Failure>());
      EXPECT_EQ(text_of(group.leaves().front()), "inner child");
      EXPECT_EQ(std::string(group.what()),
                "weft::ExceptionGroup: unhandled errors in a TaskGroup (1 exception)\n"
                "`- weft::ExceptionGroup: unhandled errors in a TaskGroup (1 exception)\n"
                "   `- (anonymous namespace)::Failure: inner child");
    }
  });
}

// ---- Cancelled from outside.

TEST(TaskGroup, CancellationInTheBodyStopsChildrenAndLeaves) {
  weft::run([] {
    std::atomic<int> stopped = 0;
    weft::Event inside;
    const weft::Task<void> task = weft::spawn([&] {
      weft::task_group([&](weft::TaskGroup& group) {
        group.spawn([&] {
          support::sleep_until_cancelled();
          ++stopped;
        });
        inside.set();
        sleep_forever();
      });
    });
    inside.wait();
    task.cancel();
    task.join();
    EXPECT_TRUE(task.cancelled());
  });
}

TEST(TaskGroup, CancellationWhileItWaitsStopsChildrenAndLeaves) {
  weft::run([] {
    weft::Event inside;
    bool cleaned = false;
    const weft::Task<void> task = weft::spawn([&] {
      weft::task_group([&](weft::TaskGroup& group) {
        group.spawn([&] {
          inside.set();
          support::sleep_until_cancelled();
          for (int i = 0; i < 10; ++i) weft::yield();
          cleaned = true;
        });
      });
    });
    inside.wait();
    task.cancel();
    task.join();
    EXPECT_TRUE(task.cancelled());
    EXPECT_TRUE(cleaned) << "it was waited for";
  });
}

TEST(TaskGroup, WithFailuresTheGroupLeavesAndTheCancellationStaysPending) {
  weft::run([] {
    weft::Event inside;
    bool group_left = false;
    const weft::Task<void> task = weft::spawn([&] {
      EXPECT_EQ(errors_of([&](weft::TaskGroup& group) {
                  group.spawn([&] {
                    inside.set();
                    support::sleep_until_cancelled();
                    throw Failure("while stopping");
                  });
                }),
                Texts{"while stopping"});
      group_left = true;
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      weft::yield();
      ADD_FAILURE() << "the cancellation is lost";
    });
    inside.wait();
    task.cancel();
    task.join();
    EXPECT_TRUE(task.cancelled());
    EXPECT_TRUE(group_left);
  });
}

TEST(TaskGroup, TimeoutAroundItStopsAll) {
  weft::run([] {
    EXPECT_THROW(weft::timeout(std::chrono::milliseconds(5),
                               [] {
                                 weft::task_group([](weft::TaskGroup& group) {
                                   group.spawn(sleep_forever);
                                   group.spawn(sleep_forever);
                                 });
                               }),
                 weft::TimeoutError);
  });
}

TEST(TaskGroup, OutsideAFiberIsAnError) {
  EXPECT_THROW(weft::task_group([](weft::TaskGroup&) {}), std::logic_error);
}

}  // namespace
