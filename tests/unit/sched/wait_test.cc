// Goal: the one way to wait keeps its contract: one party ends a wait, the arming happens once the
// waiter is asleep, and a cancellation is delivered where it may be. Method: bare fibers on one
// worker, where order is known. The waits of plain threads are in wait_thread_test.cc.

#include "sched/wait.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/eventually.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

constexpr Nanos kMillisecond = 1'000'000;

class WaitTest : public testing::Test {
 public:
  void run(const std::function<void()>& body) { scheduler_.run(body); }
  // Starts a fiber that ends the wait of the caller, once that sleeps.
  void wake_soon(WakeToken token, Wake reason = Wake::kNormal) {
    scheduler_.start([=] {
      while (!wake(token, reason)) yield_now();
    });
  }
  // Likewise asks the caller to stop.
  void cancel_soon() {
    Fiber& self = *current_fiber();
    scheduler_.start([&self] { EXPECT_TRUE(cancel(self, self.word.current_epoch())); });
  }
  static Wake sleep(Cancellable cancellable = Cancellable::kYes) {
    return suspend(nullptr, nullptr, cancellable);
  }

  BareScheduler scheduler_{1};
};

// ---- Waking.

TEST_F(WaitTest, WakeEndsTheWaitWithItsReason) {
  run([&] {
    for (const Wake reason : {Wake::kNormal, Wake::kClosed, Wake::kTimeout}) {
      wake_soon(current_token(), reason);
      EXPECT_EQ(sleep(), reason);
    }
  });
}

TEST_F(WaitTest, OnlyOneOfManyWakersSucceeds) {
  int succeeded = 0;
  run([&] {
    const WakeToken token = current_token();
    for (int i = 0; i < 10; ++i) scheduler_.start([&, token] { succeeded += wake(token) ? 1 : 0; });
    EXPECT_EQ(sleep(), Wake::kNormal);
    for (int i = 0; i < 20; ++i) yield_now();
  });
  EXPECT_EQ(succeeded, 1);
}

TEST_F(WaitTest, TokenOfAnEarlierWaitWakesNobody) {
  run([&] {
    const WakeToken old = current_token();
    wake_soon(old);
    sleep();
    EXPECT_FALSE(wake(old));
    const WakeToken token = current_token();
    EXPECT_NE(token.epoch, old.epoch);
    scheduler_.start([=] {
      EXPECT_FALSE(wake(old)) << "the fiber sleeps, but in another wait";
      EXPECT_TRUE(wake(token));
    });
    EXPECT_EQ(sleep(), Wake::kNormal);
  });
}

TEST_F(WaitTest, TokenOfARunningFiberWakesNobody) {
  run([&] {
    EXPECT_FALSE(wake(current_token()));
    wake_soon(current_token());
    EXPECT_EQ(sleep(), Wake::kNormal);
  });
}

TEST_F(WaitTest, ArmRunsOnceWithItsArgumentWhenTheWaiterSleeps) {
  struct Seen {
    Fiber* self;
    int times = 0;
    bool asleep = false;
  };
  run([&] {
    Seen seen{current_fiber()};
    wake_soon(current_token());
    sleep();
    const auto arm = [](void* argument) noexcept {
      auto& mine = *static_cast<Seen*>(argument);
      ++mine.times;
      mine.asleep = mine.self->word.waiting();
    };
    wake_soon(current_token());
    EXPECT_EQ(suspend(arm, &seen), Wake::kNormal);
    EXPECT_EQ(seen.times, 1);
    EXPECT_TRUE(seen.asleep);
  });
}

// ---- Deadlines.

TEST_F(WaitTest, DeadlineEndsTheWaitAndNotEarlier) {
  run([&] {
    for (const Nanos span : {Nanos{0}, kMillisecond, 5 * kMillisecond}) {
      const WakeToken token = current_token();
      const Nanos deadline = now() + span;
      EXPECT_EQ(suspend_until(deadline, nullptr, nullptr), Wake::kTimeout);
      EXPECT_GE(now(), deadline);
      EXPECT_FALSE(wake(token)) << "too late";
    }
  });
}

TEST_F(WaitTest, WakeBeforeTheDeadlineTakesTheTimerAway) {
  run([&] {
    wake_soon(current_token());
    EXPECT_EQ(suspend_until(now() + 3'600'000 * kMillisecond, nullptr, nullptr), Wake::kNormal);
    EXPECT_EQ(current_worker()->next_deadline(), kNever);
  });
}

TEST_F(WaitTest, CancelBeforeTheDeadlineTakesTheTimerAway) {
  run([&] {
    cancel_soon();
    EXPECT_EQ(suspend_until(now() + 3'600'000 * kMillisecond, nullptr, nullptr), Wake::kCancelled);
    EXPECT_EQ(current_worker()->next_deadline(), kNever);
  });
}

TEST_F(WaitTest, PendingCancellationBeatsTheDeadline) {
  run([&] {
    Fiber& self = *current_fiber();
    ASSERT_TRUE(cancel(self, self.word.current_epoch()));
    EXPECT_EQ(suspend_until(now() + 3'600'000 * kMillisecond, nullptr, nullptr), Wake::kCancelled);
    EXPECT_EQ(current_worker()->next_deadline(), kNever);
  });
}

TEST_F(WaitTest, ManySleepersWakeInTheOrderOfTheirDeadlines) {
  std::vector<int> order;
  run([&] {
    const Nanos start = now() + 2 * kMillisecond;
    for (const int i : {3, 1, 4, 0, 2}) {
      scheduler_.start([&, i, start] {
        suspend_until(start + i * 2 * kMillisecond, nullptr, nullptr);
        order.push_back(i);
      });
    }
    suspend_until(start + 20 * kMillisecond, nullptr, nullptr);
  });
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

// ---- Cancellation.

TEST_F(WaitTest, CancelEndsAWait) {
  run([&] {
    cancel_soon();
    EXPECT_EQ(sleep(), Wake::kCancelled);
    EXPECT_FALSE(take_cancellation()) << "delivered, and so no longer pending";
  });
}

TEST_F(WaitTest, PendingCancellationEndsTheNextWaitOnceItHasArmed) {
  run([&] {
    Fiber& self = *current_fiber();
    ASSERT_TRUE(cancel(self, self.word.current_epoch()));
    bool armed = false;
    const auto arm = [](void* argument) noexcept { *static_cast<bool*>(argument) = true; };
    EXPECT_EQ(suspend(arm, &armed), Wake::kCancelled);
    EXPECT_TRUE(armed) << "the lock that the caller held would be held for ever";
    wake_soon(current_token());
    EXPECT_EQ(sleep(), Wake::kNormal) << "delivered once";
  });
}

TEST_F(WaitTest, MaskedWaitIsNotCancelledAndTheRequestStaysPending) {
  run([&] {
    cancel_soon();
    wake_soon(current_token());
    EXPECT_EQ(sleep(Cancellable::kNo), Wake::kNormal);
    EXPECT_TRUE(take_cancellation());
    EXPECT_FALSE(take_cancellation());
  });
}

TEST_F(WaitTest, TwoCancelsBeforeTheFiberRunsAgainAreDeliveredOnce) {
  run([&] {
    Fiber& self = *current_fiber();
    scheduler_.start([&self] {
      EXPECT_TRUE(cancel(self, self.word.current_epoch()));
      EXPECT_TRUE(cancel(self, self.word.current_epoch()));
    });
    EXPECT_EQ(sleep(), Wake::kCancelled);
    EXPECT_FALSE(take_cancellation());
    EXPECT_EQ(current_fiber()->word.requests(), 2u);
  });
}

TEST_F(WaitTest, YieldDeliversACancellation) {
  run([&] {
    EXPECT_FALSE(yield_now());
    cancel_soon();
    EXPECT_TRUE(yield_now());
    EXPECT_FALSE(yield_now());
  });
}

TEST_F(WaitTest, NothingIsDeliveredWhileAnExceptionUnwinds) {
  struct WaitsWhenItDies {
    WaitTest& test;
    ~WaitsWhenItDies() {
      Fiber& self = *current_fiber();
      EXPECT_TRUE(cancel(self, self.word.current_epoch()));
      EXPECT_FALSE(take_cancellation());
      EXPECT_FALSE(yield_now());
      test.wake_soon(current_token());
      EXPECT_EQ(sleep(), Wake::kNormal) << "as if it were masked";
    }
  };
  run([&] {
    try {
      const WaitsWhenItDies local{*this};
      throw std::runtime_error("on its way");
    } catch (const std::runtime_error&) {
      EXPECT_TRUE(take_cancellation()) << "a catch block is no unwinding";
    }
  });
}

// ---- The budget.

TEST_F(WaitTest, BudgetLetsOthersRunNowAndThen) {
  int others = 0;
  bool ended = false;
  run([&] {
    scheduler_.start([&] {
      while (others < 5) {
        ++others;
        yield_now();
      }
      ended = true;
    });
    int operations = 0;
    while (others < 5 && operations < 10'000) {
      EXPECT_FALSE(spend_budget());
      ++operations;
    }
    EXPECT_EQ(others, 5);
    EXPECT_GE(operations, 4 * 128 - 4) << "a switch for each operation would cost too much";
    EXPECT_LE(operations, 5 * 128 + 5);
    while (!ended) yield_now();
  });
}

TEST_F(WaitTest, SpentBudgetDeliversACancellation) {
  run([&] {
    Fiber& self = *current_fiber();
    ASSERT_TRUE(cancel(self, self.word.current_epoch()));
    int operations = 0;
    while (!spend_budget() && operations < 1000) ++operations;
    EXPECT_LT(operations, 200);
  });
}

// ---- With threads and other schedulers.

TEST_F(WaitTest, ThreadWakesFiberAndFiberWakesThread) {
  int passed_on = 0;  // plain memory: each wake-up publishes it
  Atomic<bool> known{false};
  WakeToken fiber_token;
  const WakeToken thread_token = current_token();
  scheduler_.start([&] {
    fiber_token = current_token();
    known = true;
    EXPECT_EQ(sleep(), Wake::kNormal);
    EXPECT_EQ(passed_on, 1);
    passed_on = 2;
    while (!wake(thread_token)) yield_now();
  });
  ASSERT_TRUE(support::eventually([&] { return known.load(); }));
  passed_on = 1;
  ASSERT_TRUE(support::eventually([&] { return wake(fiber_token); }));
  EXPECT_EQ(suspend(nullptr, nullptr), Wake::kNormal);
  EXPECT_EQ(passed_on, 2);
}

TEST_F(WaitTest, FiberOfOneSchedulerWakesAFiberOfAnother) {
  BareScheduler other(1);
  run([&] {
    const WakeToken token = current_token();
    other.start([=] {
      while (!wake(token)) yield_now();
    });
    const Worker* const here = current_worker();
    EXPECT_EQ(sleep(), Wake::kNormal);
    EXPECT_EQ(current_worker(), here) << "woken at home, not where its waker is";
  });
}

// What the runtime runs there, for instance for a fiber that got no stack, may end in a user's
// destructor, which may wait.
TEST_F(WaitTest, WaitOnAWorkersOwnStackIsTheThreads) {
  static Wake reason;
  static bool was_fiber;
  reason = Wake::kNormal;
  was_fiber = true;
  Timer waits([](Timer&) noexcept {
    was_fiber = current_fiber() != nullptr;
    reason = suspend_until(now() + kMillisecond, nullptr, nullptr);
  });
  run([&] {
    current_worker()->timers().arm(waits, 1);
    while (waits.armed()) yield_now();
    EXPECT_FALSE(was_fiber);
    EXPECT_EQ(reason, Wake::kTimeout);
  });
}

}  // namespace
}  // namespace weft::detail
