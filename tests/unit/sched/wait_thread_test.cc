// Goal: a plain thread waits by the same contract as a fiber, through a descriptor that stands for
// it, and that others may have as soon as it has ended. Method: threads that really sleep.

#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "sched/wait.h"
#include "support/bare_fiber.h"
#include "support/eventually.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

constexpr Nanos kMillisecond = 1'000'000;

TEST(ThreadWait, WakeFromAnotherThreadEndsTheWait) {
  for (const Wake reason : {Wake::kNormal, Wake::kClosed}) {
    const WakeToken token = current_token();
    std::thread waker([=] {
      EXPECT_TRUE(support::eventually([&] { return wake(token, reason); }));
      EXPECT_FALSE(wake(token));
    });
    EXPECT_EQ(suspend(nullptr, nullptr), reason);
    waker.join();
  }
}

TEST(ThreadWait, ArmRunsBeforeTheThreadSleeps) {
  struct Wakes {
    WakeToken token;
    bool woke = false;
  } wakes{current_token()};
  const auto arm = [](void* argument) noexcept {
    auto& mine = *static_cast<Wakes*>(argument);
    mine.woke = wake(mine.token);
  };
  EXPECT_EQ(suspend(arm, &wakes), Wake::kNormal);
  EXPECT_TRUE(wakes.woke);
}

TEST(ThreadWait, DeadlineEndsTheWaitAndNotEarlier) {
  const WakeToken token = current_token();
  const Nanos deadline = now() + 5 * kMillisecond;
  EXPECT_EQ(suspend_until(deadline, nullptr, nullptr), Wake::kTimeout);
  EXPECT_GE(now(), deadline);
  EXPECT_FALSE(wake(token));
  EXPECT_EQ(suspend_until(0, nullptr, nullptr), Wake::kTimeout);
}

TEST(ThreadWait, EachThreadHasAWaiterOfItsOwn) {
  Fiber& mine = current_waiter();
  EXPECT_EQ(&current_waiter(), &mine);
  EXPECT_EQ(mine.scheduler.load(), nullptr) << "a stand-in belongs to no runtime";
  std::thread([&] { EXPECT_NE(&current_waiter(), &mine); }).join();
  EXPECT_EQ(current_fiber(), nullptr);
  EXPECT_EQ(current_worker(), nullptr);
}

TEST(ThreadWait, TokenOfAThreadThatHasEndedWakesNobody) {
  WakeToken token;
  std::thread([&] { token = current_token(); }).join();
  EXPECT_FALSE(wake(token));
  // The descriptor may serve another thread by now, even one that waits.
  std::latch asleep(1);
  std::thread heir([&] {
    const auto arm = [](void* latch) noexcept { static_cast<std::latch*>(latch)->count_down(); };
    EXPECT_EQ(suspend_until(now() + 20 * kMillisecond, arm, &asleep), Wake::kTimeout);
  });
  asleep.wait();
  EXPECT_FALSE(wake(token));
  heir.join();
}

// A thread looks at its word by itself when its deadline comes, or just before it falls asleep. It
// may then have ended, and its descriptor serve a fiber, before its waker goes on to resume it.
TEST(ThreadWait, ThreadMayBeGoneBetweenItsClaimAndItsResumption) {
  WakeToken token;
  Atomic<bool> known{false};
  std::thread thread([&] {
    token = current_token();
    known = true;
    EXPECT_EQ(suspend_until(now() + 20 * kMillisecond, nullptr, nullptr), Wake::kNormal);
  });
  ASSERT_TRUE(support::eventually([&] { return known && token.fiber->word.waiting(); }));
  const Claimed claimed = claim(token);
  ASSERT_TRUE(claimed);
  thread.join();

  BareScheduler scheduler(1);
  Atomic<int> woken_early{0};
  Fiber* heir = nullptr;
  while (heir != token.fiber) {
    heir = &scheduler.start([&] {
      if (suspend(nullptr, nullptr) != Wake::kCancelled) woken_early.fetch_add(1);
    });
    ASSERT_TRUE(support::eventually([&] { return heir->word.waiting(); }));
  }
  resume(claimed);
  scheduler.run([] { yield_now(); });
  ASSERT_EQ(woken_early, 0) << "nobody has ended the wait of the fiber";
}

TEST(ThreadWait, ThreadsAreNeitherCancelledNorCharged) {
  EXPECT_FALSE(take_cancellation());
  EXPECT_FALSE(yield_now());
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(spend_budget());
}

}  // namespace
}  // namespace weft::detail
