// Goal: closing a channel ends it for both sides, as Go has it: what was sent is received, nothing
// is sent any more, who waits is told, and a loop over it ends. Method: bare fibers on one worker,
// where the order is known.

#include <weft/channel.h>
#include <weft/error.h>

#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <vector>

#include "support/bare_fiber.h"
#include "support/live_count.h"

namespace weft {
namespace {

using detail::yield_now;
using support::BareScheduler;
using support::LiveCount;
using Unique = std::unique_ptr<int>;

class ChannelCloseTest : public testing::Test {
 public:
  BareScheduler scheduler_{detail::SchedulerOptions{.workers = 1, .strict_fifo = true}};
};

TEST_F(ChannelCloseTest, SendOnAClosedChannelThrowsAndLeavesTheItem) {
  for (const std::size_t capacity : {0, 2}) {
    Channel<Unique> channel(capacity);
    channel.close();
    EXPECT_TRUE(channel.closed());
    Unique item = std::make_unique<int>(1);
    EXPECT_THROW(channel.send(std::move(item)), ChannelClosed);
    EXPECT_THROW(static_cast<void>(channel.try_send(std::move(item))), ChannelClosed);
    EXPECT_NE(item, nullptr);  // NOLINT(bugprone-use-after-move): this is what is promised
  }
}

TEST_F(ChannelCloseTest, ReceiveDrainsAClosedChannelAndThenEnds) {
  Channel<int> channel(3);
  channel.send(1);
  channel.send(2);
  EXPECT_FALSE(channel.closed());
  channel.close();
  EXPECT_EQ(channel.size(), 2u);
  EXPECT_EQ(channel.receive(), 1);
  EXPECT_EQ(channel.try_receive(), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(channel.receive(), std::nullopt);
    EXPECT_EQ(channel.try_receive(), std::nullopt);
  }
}

TEST_F(ChannelCloseTest, CloseTwiceThrows) {
  Channel<int> channel(1);
  channel.send(1);
  channel.close();
  EXPECT_THROW(channel.close(), ChannelClosed);
  EXPECT_EQ(channel.receive(), 1) << "and does nothing else";
}

TEST_F(ChannelCloseTest, CloseEndsTheWaitOfAllReceivers) {
  for (const int receivers : {1, 16, 17, 40}) {
    Channel<int> channel;
    std::vector<int> order;
    scheduler_.run([&] {
      for (int i = 0; i < receivers; ++i) {
        scheduler_.start([&, i] {
          EXPECT_FALSE(channel.receive());
          order.push_back(i);
        });
      }
      yield_now();
      channel.close();
      yield_now();
    });
    ASSERT_EQ(order.size(), static_cast<std::size_t>(receivers));
    for (int i = 0; i < receivers; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(ChannelCloseTest, CloseMakesWaitingSendersThrowAndLeavesTheirItems) {
  for (const std::size_t capacity : {0, 1}) {
    Channel<Unique> channel(capacity);
    scheduler_.run([&] {
      if (capacity > 0) channel.send(std::make_unique<int>(-1));
      int kept = 0;
      for (int i = 0; i < 20; ++i) {
        scheduler_.start([&] {
          Unique item = std::make_unique<int>(1);
          EXPECT_THROW(channel.send(std::move(item)), ChannelClosed);
          if (item != nullptr) ++kept;  // NOLINT(bugprone-use-after-move): what is promised
        });
      }
      yield_now();
      channel.close();
      yield_now();
      EXPECT_EQ(kept, 20);
      EXPECT_EQ(channel.receive().has_value(), capacity > 0);
      EXPECT_FALSE(channel.receive());
    });
  }
}

// ---- A loop over it.

TEST_F(ChannelCloseTest, ALoopEndsWhenItIsClosedAndEmpty) {
  for (const std::size_t capacity : {0, 2}) {
    Channel<Unique> channel(capacity);
    std::vector<int> seen;
    scheduler_.run([&] {
      scheduler_.start([&] {
        for (int i = 0; i < 5; ++i) channel.send(std::make_unique<int>(i));
        channel.close();
      });
      for (const Unique& item : channel) seen.push_back(*item);
      for (const Unique& item : channel) seen.push_back(*item + 100);
    });
    EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4}));
  }
}

TEST_F(ChannelCloseTest, ALoopKeepsNoItemWhileItWaitsForTheNext) {
  LiveCount live;
  Channel<LiveCount::Token> channel;
  scheduler_.run([&] {
    scheduler_.start([&] {
      channel.send(live.token());
      yield_now();
      EXPECT_EQ(live.alive(), 0);
      channel.close();
    });
    for (const LiveCount::Token& token : channel) static_cast<void>(token);
  });
}

static_assert(std::input_iterator<Channel<int>::Iterator>);
static_assert(std::sentinel_for<std::default_sentinel_t, Channel<int>::Iterator>);

}  // namespace
}  // namespace weft
