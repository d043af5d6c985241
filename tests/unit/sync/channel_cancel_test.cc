// Goal: who waits at a channel can be asked to stop, which leaves nothing behind and loses no item:
// a hand-over that came first counts. Method: bare fibers on one worker for each order of the two;
// several workers for the races, whose books must balance.

#include <weft/channel.h>
#include <weft/error.h>

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/watchdog.h"

namespace weft {
namespace {

using detail::current_fiber;
using detail::Fiber;
using detail::yield_now;
using support::BareScheduler;
using Unique = std::unique_ptr<int>;

void request_cancel(Fiber& fiber) {
  while (!detail::cancel(fiber, fiber.word.current_epoch())) {
  }
}

class ChannelCancelTest : public testing::Test {
 public:
  BareScheduler scheduler_{detail::SchedulerOptions{.workers = 1, .strict_fifo = true}};
};

TEST_F(ChannelCancelTest, ACancelledReceiverLeavesAndTheNextIsServed) {
  Channel<int> channel;
  scheduler_.run([&] {
    std::vector<int> got;
    std::vector<Fiber*> fibers;
    for (int i = 0; i < 3; ++i) {
      fibers.push_back(&scheduler_.start([&] {
        try {
          got.push_back(channel.receive().value());
        } catch (const Cancelled&) {
          got.push_back(-1);
        }
      }));
    }
    yield_now();
    request_cancel(*fibers[1]);
    yield_now();
    EXPECT_EQ(got, std::vector<int>{-1});
    channel.send(1);
    channel.send(2);
    EXPECT_FALSE(channel.try_send(3)) << "nobody is left";
    yield_now();
    EXPECT_EQ(got, (std::vector<int>{-1, 1, 2}));
  });
}

TEST_F(ChannelCancelTest, ACancelledSenderLeavesWithItsItem) {
  for (const std::size_t capacity : {0, 1}) {
    Channel<Unique> channel(capacity);
    scheduler_.run([&] {
      if (capacity > 0) channel.send(std::make_unique<int>(0));
      std::vector<Fiber*> fibers;
      bool kept = false;
      for (int i = 1; i <= 3; ++i) {
        fibers.push_back(&scheduler_.start([&, i] {
          Unique item = std::make_unique<int>(i);
          try {
            channel.send(std::move(item));
          } catch (const Cancelled&) {
            kept = item != nullptr;  // NOLINT(bugprone-use-after-move): this is what is promised
          }
        }));
      }
      yield_now();
      request_cancel(*fibers[1]);
      yield_now();
      EXPECT_TRUE(kept);
      if (capacity > 0) {
        EXPECT_EQ(*channel.receive().value(), 0);
      }
      EXPECT_EQ(*channel.receive().value(), 1);
      EXPECT_EQ(*channel.receive().value(), 3);
      EXPECT_EQ(channel.try_receive(), std::nullopt);
    });
  }
}

// It has been cancelled, and not run since: still in the list, but not to be served.
TEST_F(ChannelCancelTest, AWaiterThatIsCancelledButHasNotLeftIsPassedOver) {
  Channel<int> channel;
  Channel<int> full(1);
  scheduler_.run([&] {
    full.send(0);
    Fiber& receiver = scheduler_.start([&] { EXPECT_THROW(channel.receive(), Cancelled); });
    Fiber& sender = scheduler_.start([&] { EXPECT_THROW(full.send(1), Cancelled); });
    yield_now();
    request_cancel(receiver);
    request_cancel(sender);
    EXPECT_FALSE(channel.try_send(1));
    EXPECT_EQ(full.receive(), 0);
    EXPECT_EQ(full.try_receive(), std::nullopt);
    full.close();
    channel.close();
    yield_now();
  });
}

TEST_F(ChannelCancelTest, ARequestAfterTheHandOverLeavesTheReceiverItsItem) {
  Channel<int> channel;
  scheduler_.run([&] {
    Fiber& self = *current_fiber();
    scheduler_.start([&] {
      channel.send(7);
      request_cancel(self);
    });
    EXPECT_EQ(channel.receive(), 7);
    EXPECT_TRUE(yield_now()) << "the request is for the next wait";
  });
}

TEST_F(ChannelCancelTest, ARequestAfterTheHandOverLeavesTheSenderItsSuccess) {
  Channel<Unique> channel;
  scheduler_.run([&] {
    Fiber& self = *current_fiber();
    scheduler_.start([&] {
      EXPECT_TRUE(channel.receive());
      request_cancel(self);
    });
    channel.send(std::make_unique<int>(1));
    EXPECT_TRUE(yield_now()) << "the request is for the next wait";
  });
}

TEST_F(ChannelCancelTest, ARequestAfterTheCloseIsThrownBeforeTheWaitReturns) {
  Channel<int> channel;
  scheduler_.run([&] {
    Fiber& self = *current_fiber();
    scheduler_.start([&] {
      channel.close();
      request_cancel(self);
    });
    EXPECT_THROW(channel.receive(), Cancelled);
    EXPECT_EQ(channel.receive(), std::nullopt);
  });
}

TEST_F(ChannelCancelTest, ARequestThatIsPendingEndsTheWaitAtItsBeginning) {
  Channel<int> channel(1);
  scheduler_.run([&] {
    request_cancel(*current_fiber());
    channel.send(1);  // needs no waiting, and so is no place to be told
    EXPECT_EQ(channel.receive(), 1);
    EXPECT_THROW(channel.receive(), Cancelled);
    EXPECT_TRUE(channel.try_send(2)) << "nobody is in the list";
    EXPECT_EQ(channel.receive(), 2);
  });
}

TEST_F(ChannelCancelTest, WaitInADestructorWhileAnExceptionUnwindsIsNotCancelled) {
  struct Waits {
    BareScheduler& scheduler;
    Channel<int>& channel;
    ~Waits() {
      Fiber& self = *current_fiber();
      scheduler.start([&self] { request_cancel(self); });
      scheduler.start([this] { channel.send(1); });
      EXPECT_EQ(channel.receive(), 1);
    }
  };
  Channel<int> channel;
  scheduler_.run([&] {
    try {
      const Waits waits{scheduler_, channel};
      throw 1;
    } catch (int) {
    }
    EXPECT_TRUE(yield_now()) << "the request is still to be thrown";
  });
}

// ---- Races.

TEST(ChannelRace, CancelAndHandOverMayComeTogether) {
  const int rounds = support::scaled(5000);
  support::Watchdog watchdog("a receiver that is cancelled", std::chrono::seconds(30));
  BareScheduler scheduler(2);
  int received = 0;
  int cancelled = 0;
  for (int round = 0; round < rounds; ++round) {
    Channel<int> channel;
    std::latch ended(2);
    detail::Atomic<Fiber*> waiter{nullptr};
    bool got = false;
    bool sent = false;
    scheduler.start([&] {
      waiter = current_fiber();
      try {
        got = channel.receive() == round;
      } catch (const Cancelled&) {
        ++cancelled;
        channel.close();  // so that the sender need not wait
      }
      ended.count_down();
    });
    Fiber* fiber = nullptr;
    while ((fiber = waiter.load()) == nullptr) std::this_thread::yield();
    scheduler.start([&] {
      try {
        channel.send(round);
        sent = true;
      } catch (const ChannelClosed&) {
      }
      ended.count_down();
    });
    if (round % 2 == 0) std::this_thread::yield();
    detail::cancel(*fiber, fiber->word.current_epoch());
    ended.wait();
    ASSERT_EQ(got, sent);
    received += got ? 1 : 0;
    watchdog.progress();
  }
  EXPECT_EQ(received + cancelled, rounds);
  EXPECT_GT(received, 0);
  EXPECT_GT(cancelled, 0);
}

// The closing thread may still be waking others.
TEST(ChannelRace, MayBeDestroyedByTheLastOfThoseWhoWaited) {
  const int rounds = support::scaled(500);
  BareScheduler scheduler(2);
  for (int round = 0; round < rounds; ++round) {
    constexpr int kReceivers = 40;
    auto channel = std::make_shared<Channel<int>>();
    std::latch ended(kReceivers);
    for (int i = 0; i < kReceivers; ++i) {
      scheduler.start([&ended, mine = channel]() mutable {
        EXPECT_FALSE(mine->receive());
        mine.reset();
        ended.count_down();
      });
    }
    Channel<int>* const last = channel.get();
    channel.reset();
    last->close();  // the receivers keep it alive until this has begun to wake them, and no longer
    ended.wait();
  }
}

}  // namespace
}  // namespace weft
