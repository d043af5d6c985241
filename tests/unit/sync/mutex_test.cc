// Goal: one holder at a time, whatever mix of fibers and threads; nobody waits for ever; a waiter
// of a millisecond is served; a cancelled one neither keeps the lock nor swallows a wake-up.
// Method: bare fibers on one worker where order matters, threads and several workers for the races.

#include <weft/error.h>
#include <weft/mutex.h>

#include <gtest/gtest.h>

#include <mutex>
#include <stdexcept>
#include <string>

#include "support/bare_fiber.h"
#include "time/clock.h"

namespace weft {
namespace {

using detail::current_fiber;
using detail::Fiber;
using detail::yield_now;
using support::BareScheduler;

void request_cancel(Fiber& fiber) {
  while (!detail::cancel(fiber, fiber.word.current_epoch())) {
  }
}

void hold_worker_for(detail::Nanos span) {
  const detail::Nanos end = detail::now() + span;
  while (detail::now() < end) {
  }
}

class MutexTest : public testing::Test {
 public:
  // A fiber that takes the lock, writes its name, and lets go.
  Fiber& start_locker(char name) {
    return scheduler_.start([this, name] {
      try {
        const std::lock_guard guard(mutex_);
        log_ += name;
      } catch (const Cancelled&) {
        log_ += '!';
      }
    });
  }

  BareScheduler scheduler_{detail::SchedulerOptions{.workers = 1, .strict_fifo = true}};
  Mutex mutex_;
  std::string log_;
};

TEST_F(MutexTest, TryLockTellsWhetherItIsHeld) {
  EXPECT_TRUE(mutex_.try_lock());
  EXPECT_FALSE(mutex_.try_lock());
  mutex_.unlock();
  EXPECT_TRUE(mutex_.try_lock());
  mutex_.unlock();
}

TEST_F(MutexTest, WorksWithTheStandardGuards) {
  Mutex other;
  {
    const std::lock_guard guard(mutex_);
    EXPECT_FALSE(mutex_.try_lock());
  }
  {
    const std::scoped_lock both(mutex_, other);
    EXPECT_FALSE(mutex_.try_lock());
    EXPECT_FALSE(other.try_lock());
  }
  std::unique_lock deferred(mutex_, std::defer_lock);
  EXPECT_TRUE(deferred.try_lock());
  deferred.unlock();
  deferred.lock();
  EXPECT_FALSE(mutex_.try_lock());
}

TEST_F(MutexTest, OneThatIsFreeIsTakenWithoutSuspending) {
  scheduler_.run([&] {
    bool others_ran = false;
    scheduler_.start([&] { others_ran = true; });
    for (int i = 0; i < 1000; ++i) {
      mutex_.lock();
      mutex_.unlock();
    }
    EXPECT_FALSE(others_ran);
    yield_now();  // the other one writes into this frame
    EXPECT_TRUE(others_ran);
  });
}

TEST_F(MutexTest, WaitersAreServedInTheOrderTheyCame) {
  scheduler_.run([&] {
    mutex_.lock();
    for (const char name : {'a', 'b', 'c', 'd'}) start_locker(name);
    yield_now();
    EXPECT_EQ(log_, "");
    mutex_.unlock();
    for (int turns = 0; turns < 100 && log_.size() < 4; ++turns) yield_now();
  });
  scheduler_.scheduler.cancel_all_and_wait();
  EXPECT_EQ(log_, "abcd");
}

// ---- Who is first.

TEST_F(MutexTest, RunningFiberMayHaveItAgainBeforeAWaiterThatHasJustCome) {
  scheduler_.run([&] {
    mutex_.lock();
    const detail::Nanos start = detail::now();
    start_locker('w');
    yield_now();
    for (int i = 0; i < 3; ++i) {
      mutex_.unlock();
      mutex_.lock();  // without a switch: the waiter is still to run
      log_ += 'm';
    }
    // Had the machine stood still for a millisecond, the waiter would have been served.
    if (detail::now() - start < 900'000) {
      EXPECT_EQ(log_, "mmm");
    }
    mutex_.unlock();
    for (int i = 0; i < 3; ++i) yield_now();
  });
  EXPECT_NE(log_.find('w'), std::string::npos) << log_;
}

TEST_F(MutexTest, WaiterOfAMillisecondIsHandedTheLock) {
  scheduler_.run([&] {
    mutex_.lock();
    start_locker('w');
    yield_now();
    hold_worker_for(1'500'000);
    mutex_.unlock();
    EXPECT_FALSE(mutex_.try_lock()) << "it belongs to the waiter, which has not run yet";
    EXPECT_EQ(log_, "");
    mutex_.lock();
    log_ += 'm';
    mutex_.unlock();
  });
  EXPECT_EQ(log_, "wm");
}

TEST_F(MutexTest, WaiterThatIsPassedOverAgainAndAgainIsServedAtLast) {
  scheduler_.run([&] {
    mutex_.lock();
    start_locker('w');
    const detail::Nanos end = detail::now() + 2'000'000'000;
    // The lock is free whenever the waiter looks, and held before it runs.
    while (log_.empty() && detail::now() < end) {
      yield_now();
      mutex_.unlock();
      mutex_.lock();
    }
    mutex_.unlock();
  });
  EXPECT_EQ(log_, "w");
}

// ---- Cancellation.

TEST_F(MutexTest, CancelledWaiterDoesNotHoldItAndTheOthersAreServed) {
  scheduler_.run([&] {
    mutex_.lock();
    start_locker('a');
    Fiber& cancelled = start_locker('b');
    start_locker('c');
    yield_now();
    request_cancel(cancelled);
    yield_now();
    EXPECT_EQ(log_, "!");
    mutex_.unlock();
    for (int i = 0; i < 3; ++i) yield_now();
    EXPECT_EQ(log_, "!ac");
    EXPECT_TRUE(mutex_.try_lock()) << "nothing of the waiters is left in the word";
    mutex_.unlock();
  });
}

TEST_F(MutexTest, OnlyWaiterThatIsCancelledLeavesAFreeMutex) {
  scheduler_.run([&] {
    mutex_.lock();
    Fiber& cancelled = start_locker('a');
    yield_now();
    request_cancel(cancelled);
    yield_now();
    mutex_.unlock();
    EXPECT_TRUE(mutex_.try_lock());
    mutex_.unlock();
  });
  EXPECT_EQ(log_, "!");
}

TEST_F(MutexTest, WakeUpOfAWaiterThatIsCancelledAfterwardsIsNotLost) {
  for (const detail::Nanos held : {0, 1'500'000}) {  // woken to try, or handed the lock
    log_.clear();
    scheduler_.run([&] {
      mutex_.lock();
      Fiber& first = start_locker('a');
      start_locker('b');
      yield_now();
      hold_worker_for(held);
      mutex_.unlock();
      request_cancel(first);  // it has been woken, and has not run
      for (int i = 0; i < 4; ++i) yield_now();
    });
    EXPECT_EQ(log_, "ab") << "the request waits for the next suspension";
  }
}

TEST_F(MutexTest, UnlockThatFindsItsWaiterCancelledServesTheNext) {
  for (const detail::Nanos held : {0, 1'500'000}) {
    log_.clear();
    scheduler_.run([&] {
      mutex_.lock();
      Fiber& first = start_locker('a');
      start_locker('b');
      yield_now();
      hold_worker_for(held);
      request_cancel(first);  // its wait is over, but it is still in the list
      mutex_.unlock();
      for (int i = 0; i < 4; ++i) yield_now();
    });
    EXPECT_TRUE(log_ == "!b" || log_ == "b!") << log_;
  }
}

TEST_F(MutexTest, PendingRequestIsThrownOnlyIfTheFiberWouldWait) {
  scheduler_.run([&] {
    request_cancel(*current_fiber());
    mutex_.lock();
    scheduler_.start([&] {
      request_cancel(*current_fiber());
      EXPECT_THROW(mutex_.lock(), Cancelled);
    });
    EXPECT_TRUE(yield_now()) << "it is still there";
    mutex_.unlock();
  });
}

TEST_F(MutexTest, LockInADestructorWhileAnExceptionUnwindsIsNotCancelled) {
  struct Locks {
    MutexTest& test;
    ~Locks() {
      request_cancel(*current_fiber());
      const std::lock_guard guard(test.mutex_);  // would end the program if it threw
      test.log_ += 'd';
    }
  };
  scheduler_.run([&] {
    mutex_.lock();
    scheduler_.start([&] {
      try {
        const Locks locks{*this};
        throw std::runtime_error("on its way");
      } catch (const std::runtime_error&) {
      }
    });
    yield_now();
    log_ += 'm';
    mutex_.unlock();
    yield_now();
    yield_now();
  });
  EXPECT_EQ(log_, "md");
}

// std::lock goes on as long as one of its mutexes refuses: on the only worker for ever, if one that
// is free would.
TEST_F(MutexTest, TryLockTakesAFreeMutexThatAWaiterIsOnItsWayTo) {
  scheduler_.run([&] {
    mutex_.lock();
    scheduler_.start([&] {
      const std::lock_guard guard(mutex_);
      log_ += 'w';
    });
    yield_now();
    mutex_.unlock();  // wakes it
    EXPECT_TRUE(mutex_.try_lock());
    log_ += 't';
    mutex_.unlock();
    for (int i = 0; i < 4; ++i) yield_now();
  });
  EXPECT_EQ(log_, "tw");
}

TEST(MutexDeathTest, DestroyingOneThatIsHeldAborts) {
  EXPECT_DEATH(
      {
        Mutex mutex;
        mutex.lock();
      },
      "nobody holds or awaits a mutex that is destroyed");
}

}  // namespace
}  // namespace weft
