// Goal: an event wakes everybody who waits, once and in order, fibers and threads alike; it may be
// destroyed as soon as the waiting is over; and a cancelled waiter leaves nothing behind. Method:
// bare fibers on one worker for order, threads and several workers for the races, which the
// sanitizers watch.

#include <weft/error.h>
#include <weft/event.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/process_state.h"

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

class EventTest : public testing::Test {
 public:
  BareScheduler scheduler_{detail::SchedulerOptions{.workers = 1, .strict_fifo = true}};
  Event event_;
};

TEST_F(EventTest, IsNotSetAtFirst) { EXPECT_FALSE(event_.is_set()); }

TEST_F(EventTest, SetStaysUntilItIsCleared) {
  event_.set();
  EXPECT_TRUE(event_.is_set());
  event_.set();
  EXPECT_TRUE(event_.is_set());
  event_.clear();
  EXPECT_FALSE(event_.is_set());
  event_.clear();
  EXPECT_FALSE(event_.is_set());
}

TEST_F(EventTest, WaitOnASetEventReturnsAtOnce) {
  event_.set();
  event_.wait();  // by a thread
  bool others_ran = false;
  scheduler_.run([&] {
    scheduler_.start([&] { others_ran = true; });
    event_.wait();
    event_.wait();
    EXPECT_FALSE(others_ran);
    yield_now();  // the other one writes into this frame
    EXPECT_TRUE(others_ran);
  });
}

TEST_F(EventTest, WakesAllInTheOrderTheyCameHoweverMany) {
  for (const int waiters : {1, 16, 17, 50}) {
    event_.clear();
    std::vector<int> order;
    scheduler_.run([&] {
      for (int i = 0; i < waiters; ++i) {
        scheduler_.start([&, i] {
          event_.wait();
          order.push_back(i);
        });
      }
      yield_now();
      EXPECT_TRUE(order.empty());
      event_.set();
      yield_now();
    });
    ASSERT_EQ(order.size(), static_cast<std::size_t>(waiters));
    for (int i = 0; i < waiters; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(EventTest, WaitersOfBeforeAreWokenAlthoughItIsClearedAtOnce) {
  scheduler_.run([&] {
    int woken = 0;
    for (int i = 0; i < 3; ++i) {
      scheduler_.start([&] {
        event_.wait();
        ++woken;
      });
    }
    yield_now();
    event_.set();
    event_.clear();
    yield_now();
    EXPECT_EQ(woken, 3);
    scheduler_.start([&] {
      event_.wait();
      ++woken;
    });
    yield_now();
    EXPECT_EQ(woken, 3) << "who comes after the clear waits for the next";
    event_.set();
    yield_now();
    EXPECT_EQ(woken, 4);
  });
}

// ---- Cancellation.

TEST_F(EventTest, CancelledWaiterLeavesAndTheOthersAreWoken) {
  scheduler_.run([&] {
    int woken = 0;
    int cancelled = 0;
    std::vector<Fiber*> fibers;
    for (int i = 0; i < 3; ++i) {
      fibers.push_back(&scheduler_.start([&] {
        try {
          event_.wait();
          ++woken;
        } catch (const Cancelled&) {
          ++cancelled;
        }
      }));
    }
    yield_now();
    request_cancel(*fibers[1]);
    yield_now();
    EXPECT_EQ(cancelled, 1);
    EXPECT_EQ(woken, 0);
    event_.set();
    yield_now();
    EXPECT_EQ(woken, 2);
  });
}

TEST_F(EventTest, RequestMadeBeforeIsThrownWhereTheFiberWouldWait) {
  scheduler_.run([&] {
    request_cancel(*current_fiber());
    EXPECT_THROW(event_.wait(), Cancelled);
    scheduler_.start([&] { event_.set(); });
    event_.wait();  // it was thrown once
  });
}

TEST_F(EventTest, RequestMadeAfterTheWakeUpIsThrownBeforeTheWaitReturns) {
  scheduler_.run([&] {
    Fiber& self = *current_fiber();
    scheduler_.start([&] {
      event_.set();
      request_cancel(self);
    });
    EXPECT_THROW(event_.wait(), Cancelled);
    EXPECT_TRUE(event_.is_set());
  });
}

TEST_F(EventTest, WaitInADestructorWhileAnExceptionUnwindsIsNotCancelled) {
  struct Waits {
    EventTest& test;
    ~Waits() {
      Fiber& self = *current_fiber();
      test.scheduler_.start([&self] { request_cancel(self); });
      test.scheduler_.start([this] { test.event_.set(); });
      test.event_.wait();
      EXPECT_TRUE(test.event_.is_set());
    }
  };
  scheduler_.run([&] {
    try {
      const Waits waits{*this};
      throw 1;
    } catch (int) {
    }
    EXPECT_TRUE(yield_now()) << "the request is still to be thrown";
  });
}

// ---- Threads.

TEST_F(EventTest, FiberWakesThreadsAndThreadWakesFibers) {
  Event reply;
  int passed_on = 0;  // plain memory: what was done before set() is seen after wait()
  scheduler_.start([&] {
    event_.wait();
    EXPECT_EQ(passed_on, 1);
    passed_on = 2;
    reply.set();
  });
  passed_on = 1;
  event_.set();
  reply.wait();
  EXPECT_EQ(passed_on, 2);
}

TEST_F(EventTest, SleepingThreadsAreAllWoken) {
  constexpr int kThreads = 20;
  std::vector<std::thread> threads;
  detail::Atomic<int> ids[kThreads]{};
  for (detail::Atomic<int>& id : ids) {
    threads.emplace_back([&] {
      id = support::thread_id();
      event_.wait();
    });
  }
  for (const detail::Atomic<int>& id : ids) {
    EXPECT_TRUE(support::eventually([&] { return id != 0 && support::thread_sleeps(id); }));
  }
  event_.set();
  for (std::thread& thread : threads) thread.join();
}

// ---- Its end.

TEST(EventEnd, MayBeDestroyedWhileTheSetThatEndedTheWaitIsStillInside) {
  const int rounds = support::scaled(8000);
  BareScheduler scheduler(2);
  detail::Atomic<Event*> shared{nullptr};
  std::thread setter([&] {
    for (int round = 0; round < rounds; ++round) {
      Event* event = nullptr;
      while ((event = shared.exchange(nullptr)) == nullptr) std::this_thread::yield();
      event->set();
    }
  });
  scheduler.run([&] {
    for (int round = 0; round < rounds; ++round) {
      auto event = std::make_unique<Event>();
      shared.store(event.get());
      if (round % 3 == 0) {
        while (!event->is_set()) yield_now();
      } else {
        event->wait();
      }
      event.reset();
    }
  });
  setter.join();
}

TEST(EventState, IsSetForAllWhoAreWokenAndWhileItIsSetAgain) {
  weft::run(weft::Options{.workers = 4}, [] {
    for (int round = 0; round < support::scaled(200); ++round) {
      weft::Event event;
      std::atomic<int> wrong{0};
      std::vector<weft::Task<void>> waiters;
      for (int i = 0; i < 64; ++i) {
        waiters.push_back(weft::spawn([&] {
          event.wait();
          if (!event.is_set()) ++wrong;
        }));
      }
      weft::yield();
      event.set();
      const weft::Task<void> again = weft::spawn([&] {
        for (int i = 0; i < 100; ++i) event.set();
      });
      for (int i = 0; i < 100; ++i) wrong += event.is_set() ? 0 : 1;
      for (weft::Task<void>& waiter : waiters) waiter.get();
      again.join();
      EXPECT_EQ(wrong, 0);
    }
  });
}

TEST(EventEnd, MayBeDestroyedByTheLastOfManyWaiters) {
  const int rounds = support::scaled(500);
  BareScheduler scheduler(2);
  for (int round = 0; round < rounds; ++round) {
    constexpr int kWaiters = 40;
    auto event = std::make_shared<Event>();
    std::latch ended(kWaiters);
    for (int i = 0; i < kWaiters; ++i) {
      scheduler.start([&ended, mine = event]() mutable {
        mine->wait();
        mine.reset();
        ended.count_down();
      });
    }
    Event* const last = event.get();
    event.reset();
    last->set();  // the waiters keep it alive until this has begun to wake them, and no longer
    ended.wait();
  }
}

TEST(EventEnd, CancelAndSetMayComeTogether) {
  const int rounds = support::scaled(5000);
  BareScheduler scheduler(2);
  detail::Atomic<int> woken{0};
  detail::Atomic<int> cancelled{0};
  for (int round = 0; round < rounds; ++round) {
    Event event;
    std::latch ended(1);
    detail::Atomic<Fiber*> waiter{nullptr};
    scheduler.start([&] {
      waiter = current_fiber();
      try {
        event.wait();
        woken.fetch_add(1);
      } catch (const Cancelled&) {
        cancelled.fetch_add(1);
      }
      ended.count_down();
    });
    Fiber* fiber = nullptr;
    while ((fiber = waiter.load()) == nullptr) std::this_thread::yield();
    scheduler.start([&event] { event.set(); });
    if (round % 2 == 0) std::this_thread::yield();
    detail::cancel(*fiber, fiber->word.current_epoch());
    ended.wait();
    // The event goes when set() has returned, too.
    while (!event.is_set()) std::this_thread::yield();
  }
  EXPECT_EQ(woken + cancelled, rounds);
  EXPECT_GT(woken, 0);
  EXPECT_GT(cancelled, 0);
}

TEST(EventDeathTest, DestroyingItUnderAWaiterAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        BareScheduler scheduler(1);
        auto event = std::make_unique<Event>();
        scheduler.run([&] {
          scheduler.start([&] { event->wait(); });
          yield_now();
        });
        event.reset();
      },
      "nobody waits on an event that is destroyed");
}

}  // namespace
}  // namespace weft
