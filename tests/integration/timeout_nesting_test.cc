// Goal: when more than one party wants a task to stop, each scope knows its own: only the scope
// that expired turns Cancelled into TimeoutError, a cancellation from outside stays Cancelled, and
// requests of the past neither count again nor leave a trace. Method: scopes that expire at once or
// never, in every combination; tasks pinned to one worker where the order of two steps decides.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Clock;
using support::run_pinned;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;

/// How `body()` ended, in a word.
template <class F>
std::string end_of(F&& body) {
  try {
    body();
    return "value";
  } catch (const weft::TimeoutError&) {
    return "timeout";
  } catch (const weft::Cancelled&) {
    return "cancelled";
  }
}

TEST(NestedTimeouts, OnlyTheInnerExpired) {
  weft::run([] {
    std::string inner;
    const std::string outer = end_of([&] {
      weft::timeout(1h, [&] {
        inner = end_of([] { weft::timeout(1ms, sleep_forever); });
        weft::yield();
      });
    });
    EXPECT_EQ(inner, "timeout");
    EXPECT_EQ(outer, "value");
  });
}

TEST(NestedTimeouts, OnlyTheOuterExpired) {
  weft::run([] {
    std::string inner;
    const std::string outer = end_of([&] {
      weft::timeout(1ms, [&] {
        inner = end_of([] { weft::timeout(1h, sleep_forever); });
        throw weft::Cancelled();  // as if it had passed
      });
    });
    EXPECT_EQ(inner, "cancelled");
    EXPECT_EQ(outer, "timeout");
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

// The Cancelled is not the inner scope's alone, so it is left for the outer one.
TEST(NestedTimeouts, BothExpired) {
  weft::run([] {
    std::string inner;
    const std::string outer = end_of([&] {
      weft::timeout(1ms, [&](weft::TimeoutScope& outside) {
        inner = end_of([&] {
          weft::timeout(1ms, [&](weft::TimeoutScope& inside) {
            while (!outside.expired() || !inside.expired()) sleep_until_cancelled();
            throw weft::Cancelled();
          });
        });
        throw weft::Cancelled();
      });
    });
    EXPECT_EQ(inner, "cancelled");
    EXPECT_EQ(outer, "timeout");
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

TEST(NestedTimeouts, TheInnerExpiredInsideAnOuterThatHadExpiredBefore) {
  weft::run([] {
    std::string inner;
    const std::string outer = end_of([&] {
      weft::timeout(0s, [&] {
        sleep_until_cancelled();
        inner = end_of([] { weft::timeout(1ms, sleep_forever); });
      });
    });
    EXPECT_EQ(inner, "timeout");
    EXPECT_EQ(outer, "value");
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

TEST(NestedTimeouts, ManyDeepTheOneThatExpiredTranslates) {
  struct Nest {
    static void in(int depth, int expiring, int& translated) {
      if (depth == 0) {
        sleep_forever();
        return;
      }
      try {
        weft::timeout(depth == expiring ? 1ms : 3'600'000ms,
                      [=, &translated] { in(depth - 1, expiring, translated); });
      } catch (const weft::TimeoutError&) {
        translated = depth;
        throw;
      }
    }
  };
  weft::run([] {
    for (int expiring = 1; expiring <= 10; ++expiring) {
      int first_translated = 0;
      EXPECT_THROW(Nest::in(10, expiring, first_translated), weft::TimeoutError);
      // From there on it is an ordinary exception.
      EXPECT_EQ(first_translated, 10);
      EXPECT_EQ(weft::this_task::cancelling(), 0u);
    }
  });
}

// ---- A cancellation from outside.

TEST(TimeoutAndCancel, FromOutsideStaysCancelled) {
  weft::run([] {
    weft::Event reached;
    weft::Task<std::string> task = weft::spawn([&] {
      return end_of([&] {
        weft::timeout(1h, [&] {
          reached.set();
          sleep_forever();
        });
      });
    });
    reached.wait();
    task.cancel();
    EXPECT_EQ(task.get(), "cancelled");
    EXPECT_EQ(task.cancelling(), 1u);
  });
}

TEST(TimeoutAndCancel, FromOutsideStaysCancelledWhenTheTimeWasUpToo) {
  run_pinned([] {
    for (const bool cancel_first : {false, true}) {
      weft::Event reached;
      weft::Task<std::string> task = weft::spawn({.pinned = true}, [&] {
        return end_of([&] {
          weft::timeout(2ms, [&](weft::TimeoutScope& scope) {
            if (cancel_first) {
              reached.set();
              sleep_until_cancelled();
              while (!scope.expired()) sleep_until_cancelled();
            } else {
              while (!scope.expired()) sleep_until_cancelled();
              reached.set();
              sleep_until_cancelled();
            }
            throw weft::Cancelled();
          });
        });
      });
      reached.wait();
      task.cancel();
      EXPECT_EQ(task.get(), "cancelled") << (cancel_first ? "cancel first" : "expiry first");
      EXPECT_EQ(task.cancelling(), 1u);
    }
  });
}

TEST(TimeoutAndCancel, BothPendingAtTheSameSuspension) {
  run_pinned([] {
    weft::Task<std::string> task;
    task = weft::spawn({.pinned = true}, [&task] {
      return end_of([&task] {
        weft::timeout(0s, [&task] {
          task.cancel();
          weft::yield();
        });
      });
    });
    EXPECT_EQ(task.get(), "cancelled");
    EXPECT_EQ(task.cancelling(), 1u);
  });
}

TEST(TimeoutAndCancel, FromOutsidePendingSurvivesAScopeThatNeverSuspended) {
  run_pinned([] {
    weft::Task<int> task;
    task = weft::spawn({.pinned = true}, [&task] {
      const int value = weft::timeout(0s, [&task] {
        task.cancel();
        return 3;
      });
      EXPECT_TRUE(weft::this_task::cancel_requested());
      EXPECT_TRUE(throws_cancelled([] { weft::yield(); }));
      return value;
    });
    EXPECT_EQ(task.get(), 3);
    EXPECT_EQ(task.cancelling(), 1u);
  });
}

// One exception tells of both then; taken for the scope's own, the older request would be lost.
TEST(TimeoutAndCancel, PendingWhenTheScopeBeginsAndToldWithItsExpiryIsNotLost) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      EXPECT_EQ(end_of([] { weft::timeout(0s, [] { weft::yield(); }); }), "cancelled");
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      EXPECT_FALSE(weft::this_task::cancel_requested());
    });
    task.get();
  });
}

// The sleep ends before it begins, by the older request; the time is up before the fiber runs
// again.
TEST(TimeoutAndCancel, PendingWhenTheScopeBeginsAndToldWhileItExpiresIsNotLost) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      const auto limit = Clock::now() + 200us;
      const auto body = [limit] {
        while (Clock::now() < limit) {
        }
        weft::sleep_for(1h);
      };
      EXPECT_EQ(end_of([&] { weft::timeout_at(limit, body); }), "cancelled");
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      EXPECT_FALSE(weft::this_task::cancel_requested());
    });
    task.get();
  });
}

TEST(TimeoutAndCancel, PendingWhenTheScopeBeginsAndToldBeforeItsExpiryStaysCancelled) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      const auto body = [](weft::TimeoutScope& scope) {
        try {
          weft::yield();
        } catch (const weft::Cancelled&) {
          scope.reschedule(Clock::now() - 1s);  // expires on the way out
          throw;
        }
      };
      EXPECT_EQ(end_of([&] { weft::timeout(1h, body); }), "cancelled");
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      EXPECT_FALSE(weft::this_task::cancel_requested()) << "the scope's own request goes with it";
    });
    task.get();
  });
}

TEST(TimeoutAndCancel, PendingWhenTheScopeBeginsAndSurvivedLeavesTheScopeItsOwn) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      const auto body = [](weft::TimeoutScope& scope) {
        EXPECT_TRUE(throws_cancelled([] { weft::yield(); }));
        scope.reschedule(Clock::now() + 1ms);
        sleep_forever();
      };
      EXPECT_EQ(end_of([&] { weft::timeout(1h, body); }), "timeout");
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
    });
    task.get();
  });
}

TEST(TimeoutAndCancel, WorksInATaskThatWasCancelledAndWentOn) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      EXPECT_TRUE(throws_cancelled([] { weft::yield(); }));
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      // Cleaning up, with a limit: that request is an old story.
      EXPECT_EQ(end_of([] { weft::timeout(1h, [] { weft::yield(); }); }), "value");
      EXPECT_EQ(end_of([] { weft::timeout(1ms, sleep_forever); }), "timeout");
      EXPECT_EQ(end_of([] { weft::timeout(0s, [] { weft::yield(); }); }), "timeout");
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
    });
    task.get();
  });
}

// The scope's own request must go with the scope, though an older one is still counted.
TEST(TimeoutAndCancel, LeavesNothingPendingInATaskThatWasCancelledBefore) {
  run_pinned([] {
    weft::Task<void> task;
    task = weft::spawn({.pinned = true}, [&task] {
      task.cancel();
      EXPECT_TRUE(throws_cancelled([] { weft::yield(); }));
      EXPECT_EQ(weft::timeout(0s, [] { return 1; }), 1);
      EXPECT_EQ(weft::this_task::cancelling(), 1u);
      EXPECT_FALSE(weft::this_task::cancel_requested());
      EXPECT_FALSE(throws_cancelled([] { weft::yield(); })) << "nobody asked for this";
    });
    task.get();
  });
}

// ---- Races and unwinding.

// The body ends by itself about when its time is up: whichever comes first, nothing is left.
TEST(TimeoutAndCancel, ExpiryThatRacesWithTheEndLeavesNothing) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 8; ++i) {
      tasks.push_back(weft::spawn([i] {
        for (int round = 0; round < support::scaled(500); ++round) {
          const auto span = std::chrono::microseconds(20 + (round * 13 + i * 7) % 80);
          const std::string end = end_of([&] {
            weft::timeout(span, [&] {
              weft::sleep_until(Clock::now() + span - 2us);
              const Clock::time_point until = Clock::now() + std::chrono::microseconds(round % 5);
              while (Clock::now() < until) {
              }
            });
          });
          ASSERT_NE(end, "cancelled");
          ASSERT_EQ(weft::this_task::cancelling(), 0u);
          ASSERT_FALSE(throws_cancelled([] { weft::yield(); }));
        }
      }));
    }
    weft::gather(tasks);
  });
}

TEST(TimeoutAndCancel, InADestructorThatUnwindsIsPatient) {
  weft::run([] {
    struct Cleanup {
      std::string& end;
      ~Cleanup() {
        end = end_of([] { weft::timeout(1ms, [] { weft::sleep_for(5ms); }); });
      }
    };
    std::string end;
    try {
      const Cleanup cleanup{end};
      throw std::runtime_error("unwinds");
    } catch (const std::runtime_error&) {
    }
    // Nothing may be thrown there, so nothing can be cut short.
    EXPECT_EQ(end, "value");
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
    EXPECT_FALSE(throws_cancelled([] { weft::yield(); }));
  });
}

}  // namespace
