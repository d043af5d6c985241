// Goal: a channel keeps Go's rules: what is sent is received once and in order, a full one holds up
// senders and an empty one receivers. Method: bare fibers on one worker, where the order is known;
// threads for those who are no fibers.

#include <weft/channel.h>
#include <weft/error.h>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/bare_fiber.h"
#include "support/live_count.h"
#include "support/waiting_thread.h"

namespace weft {
namespace {

using detail::yield_now;
using support::BareScheduler;
using support::LiveCount;
using support::WaitingThread;
using Unique = std::unique_ptr<int>;

class ChannelTest : public testing::Test {
 public:
  /// A fiber that tells `order` what it has received.
  void start_receiver(Channel<int>& channel, int number) {
    scheduler_.start([this, &channel, number] {
      const std::optional<int> item = channel.receive();
      order_.push_back(number * 100 + item.value_or(-1));
    });
  }

  BareScheduler scheduler_{detail::SchedulerOptions{.workers = 1, .strict_fifo = true}};
  std::vector<int> order_;
};

// ---- Nobody waits.

TEST_F(ChannelTest, HoldsItemsUpToItsCapacityAndGivesThemBackInOrder) {
  Channel<int> channel(3);
  EXPECT_EQ(channel.capacity(), 3u);
  EXPECT_EQ(channel.size(), 0u);
  int next = 0;
  for (int round = 0; round < 5; ++round) {  // around the ring, at every offset
    const int first = next;
    for (int i = 0; i < 2; ++i) channel.send(next++);
    EXPECT_EQ(channel.size(), 2u);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(channel.receive(), first + i);
  }
  EXPECT_EQ(channel.size(), 0u);
}

TEST_F(ChannelTest, TryCallsDoWhatNeedsNoWaiting) {
  Channel<int> channel(1);
  EXPECT_EQ(channel.try_receive(), std::nullopt);
  EXPECT_TRUE(channel.try_send(7));
  EXPECT_FALSE(channel.try_send(8));
  EXPECT_EQ(channel.try_receive(), 7);
  EXPECT_EQ(channel.try_receive(), std::nullopt);
}

TEST_F(ChannelTest, TryCallsOfARendezvousNeedSomebodyWhoWaits) {
  Channel<int> channel;
  EXPECT_FALSE(channel.try_send(1));
  EXPECT_EQ(channel.try_receive(), std::nullopt);
  scheduler_.run([&] {
    start_receiver(channel, 1);
    yield_now();
    EXPECT_TRUE(channel.try_send(7));
    EXPECT_FALSE(channel.try_send(8)) << "the one receiver has its item";
    yield_now();
    EXPECT_EQ(order_, std::vector<int>{107});
    scheduler_.start([&] { channel.send(9); });
    yield_now();
    EXPECT_EQ(channel.try_receive(), 9);
    EXPECT_EQ(channel.try_receive(), std::nullopt);
  });
}

TEST_F(ChannelTest, WhatNeedsNoWaitingLetsNobodyElseRun) {
  Channel<int> channel(2);
  bool others_ran = false;
  scheduler_.run([&] {
    scheduler_.start([&] { others_ran = true; });
    channel.send(1);
    channel.send(2);
    EXPECT_EQ(channel.receive(), 1);
    EXPECT_FALSE(others_ran);
    yield_now();  // the other one writes into this frame
  });
}

// ---- Waiting.

TEST_F(ChannelTest, RendezvousSenderGoesOnOnlyWhenAReceiverHasTakenTheItem) {
  Channel<int> channel;
  scheduler_.run([&] {
    bool sent = false;
    scheduler_.start([&] {
      channel.send(5);
      sent = true;
    });
    yield_now();
    yield_now();
    EXPECT_FALSE(sent);
    EXPECT_EQ(channel.size(), 0u) << "it is with its sender";
    EXPECT_EQ(channel.receive(), 5);
    yield_now();
    EXPECT_TRUE(sent);
  });
}

TEST_F(ChannelTest, ReceiverWaitsForAnItem) {
  for (const std::size_t capacity : {0, 1, 4}) {
    Channel<int> channel(capacity);
    scheduler_.run([&] {
      scheduler_.start([&] { channel.send(5); });
      EXPECT_EQ(channel.receive(), 5);
    });
  }
}

TEST_F(ChannelTest, SenderWaitsWhileItIsFull) {
  Channel<int> channel(2);
  scheduler_.run([&] {
    int sent = 0;
    scheduler_.start([&] {
      for (; sent < 5; ++sent) channel.send(sent);
    });
    yield_now();
    EXPECT_EQ(sent, 2);
    EXPECT_EQ(channel.size(), 2u);
    EXPECT_EQ(channel.receive(), 0);
    EXPECT_EQ(channel.size(), 2u) << "the waiting sender's item is in the place of the other";
    yield_now();
    EXPECT_EQ(sent, 3);
    for (int i = 1; i < 5; ++i) EXPECT_EQ(channel.receive(), i);
  });
}

TEST_F(ChannelTest, ReceiversAreServedInTheOrderTheyCame) {
  for (const std::size_t capacity : {0, 2}) {
    Channel<int> channel(capacity);
    order_.clear();
    scheduler_.run([&] {
      for (int i = 1; i <= 3; ++i) start_receiver(channel, i);
      yield_now();
      for (int i = 1; i <= 3; ++i) channel.send(i);
      EXPECT_EQ(channel.size(), 0u) << "each was handed its item";
      yield_now();
    });
    EXPECT_EQ(order_, (std::vector<int>{101, 202, 303}));
  }
}

TEST_F(ChannelTest, SendersAreServedInTheOrderTheyCame) {
  for (const std::size_t capacity : {0, 1, 2}) {
    Channel<int> channel(capacity);
    scheduler_.run([&] {
      for (int i = 0; i < 6; ++i) scheduler_.start([&channel, i] { channel.send(i); });
      yield_now();
      for (int i = 0; i < 6; ++i) EXPECT_EQ(channel.receive(), i);
    });
  }
}

TEST_F(ChannelTest, AFastSenderDoesNotOvertakeOneThatWaits) {
  Channel<int> channel(1);
  scheduler_.run([&] {
    channel.send(0);
    scheduler_.start([&] { channel.send(1); });
    yield_now();
    EXPECT_EQ(channel.receive(), 0);
    EXPECT_FALSE(channel.try_send(2)) << "the place is the waiting sender's";
    EXPECT_EQ(channel.receive(), 1);
  });
}

// ---- Items.

TEST_F(ChannelTest, CarriesWhatCanOnlyBeMoved) {
  for (const std::size_t capacity : {0, 1}) {
    Channel<Unique> channel(capacity);
    scheduler_.run([&] {
      scheduler_.start([&] {
        for (int i = 0; i < 3; ++i) channel.send(std::make_unique<int>(i));
      });
      for (int i = 0; i < 3; ++i) EXPECT_EQ(*channel.receive().value(), i);
    });
  }
}

TEST_F(ChannelTest, CarriesWhatHasNoDefaultAndCannotBeAssigned) {
  struct Odd {
    explicit Odd(int number) : value(number) {}
    Odd(Odd&& other) noexcept : value(other.value) {}
    const int value;
  };
  Channel<Odd> channel(1);
  scheduler_.run([&] {
    scheduler_.start([&] {
      for (int i = 0; i < 3; ++i) channel.send(Odd(i));
      channel.close();
    });
    int sum = 0;
    for (const Odd& odd : channel) sum += odd.value;
    EXPECT_EQ(sum, 3);
  });
}

TEST_F(ChannelTest, SendsCopiesOfWhatIsNotGivenAway) {
  Channel<std::string> channel(2);
  const std::string text = "a text that is too long to be kept in the string itself";
  channel.send(text);
  EXPECT_TRUE(channel.try_send(text));
  EXPECT_EQ(channel.receive(), text);
  EXPECT_EQ(channel.receive(), text);
}

TEST_F(ChannelTest, DestroysItemsOnceWhereverTheyAre) {
  LiveCount live;
  {
    Channel<LiveCount::Token> channel(3);
    scheduler_.run([&] {
      scheduler_.start([&] {
        for (int i = 0; i < 5; ++i) channel.send(live.token());
      });
      yield_now();
      EXPECT_EQ(live.alive(), 4) << "three in the buffer, and the waiting sender's";
      channel.receive();
      EXPECT_EQ(live.alive(), 3);
      channel.receive();
      yield_now();
    });
    EXPECT_EQ(live.alive(), 3);
  }
  EXPECT_EQ(live.alive(), 0) << "what nobody has received goes with the channel";
  EXPECT_EQ(live.made(), 5);
}

// ---- Threads.

TEST_F(ChannelTest, ThreadsAndFibersHandItemsToEachOther) {
  for (const std::size_t capacity : {0, 1}) {
    Channel<int> to_thread(capacity);
    Channel<int> to_fiber(capacity);
    scheduler_.start([&] {
      for (const int item : to_thread) to_fiber.send(item + 1);
      to_fiber.close();
    });
    for (int i = 0; i < 100; ++i) {
      to_thread.send(i);
      ASSERT_EQ(to_fiber.receive(), i + 1);
    }
    to_thread.close();
    EXPECT_EQ(to_fiber.receive(), std::nullopt);
  }
}

TEST_F(ChannelTest, AThreadThatWaitsIsHandedItsItem) {
  Channel<std::string> channel;
  std::optional<std::string> got;
  {
    const WaitingThread receiver([&] { got = channel.receive(); });
    receiver.until_asleep();
    channel.send("to a thread");
  }
  EXPECT_EQ(got, "to a thread");
  {
    const WaitingThread sender([&] { channel.send("from a thread"); });
    sender.until_asleep();
    EXPECT_EQ(channel.receive(), "from a thread");
  }
  const WaitingThread receiver([&] { EXPECT_FALSE(channel.receive()); });
  receiver.until_asleep();
  channel.close();
}

TEST(ChannelDeathTest, DestroyingItUnderAWaiterAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        BareScheduler scheduler(1);
        auto channel = std::make_unique<Channel<int>>();
        scheduler.run([&] {
          scheduler.start([&] { channel->receive(); });
          yield_now();
        });
        channel.reset();
      },
      "nobody waits at a channel that is destroyed");
}

}  // namespace
}  // namespace weft
