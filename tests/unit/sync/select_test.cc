// Goal: a select does exactly one thing, whichever can be done first, and leaves no trace of the
// others. Method: fibers on one worker for each order of events; numbers for fairness; a thread.

#include <weft/select.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using weft::after;
using weft::Channel;
using weft::otherwise;
using weft::receive_from;
using weft::select;
using weft::send_to;
using Unique = std::unique_ptr<int>;

const weft::Options kInOrder{.workers = 1, .fifo = true};

/// Waits for all that is ready to have had its turn.
void settle() {
  for (int i = 0; i < 5; ++i) weft::yield();
}

TEST(Select, DoesTheOneThatIsReady) {
  Channel<int> full(1), empty(1);
  full.send(7);
  int got = 0;
  const auto take = [&](std::optional<int> item) { got = item.value(); };
  EXPECT_EQ(select(receive_from(empty), receive_from(full, take)), 1u);
  EXPECT_EQ(got, 7);
  full.send(8);
  bool sent = false;
  EXPECT_EQ(select(send_to(full, 9), send_to(empty, 5, [&] { sent = true; })), 1u);
  EXPECT_TRUE(sent);
  EXPECT_EQ(empty.receive(), 5);
  EXPECT_EQ(full.receive(), 8);
}

TEST(Select, WaitsForASenderOrAReceiver) {
  weft::run(kInOrder, [] {
    Channel<int> in, out;
    std::vector<std::string> steps;
    weft::Task<void> selecting = weft::spawn([&] {
      for (int i = 0; i < 2; ++i) {
        select(receive_from(
                   in, [&](auto item) { steps.push_back("received " + std::to_string(*item)); }),
               send_to(out, 4, [&] { steps.emplace_back("sent"); }));
      }
    });
    settle();
    EXPECT_TRUE(steps.empty());
    in.send(3);
    settle();
    EXPECT_EQ(out.receive(), 4);
    selecting.get();
    EXPECT_EQ(steps, (std::vector<std::string>{"received 3", "sent"}));
    EXPECT_FALSE(in.try_send(5)) << "nobody receives any more";
    EXPECT_EQ(out.try_receive(), std::nullopt) << "nor sends";
  });
}

TEST(Select, TellsThatAChannelIsClosed) {
  weft::run(kInOrder, [] {
    Channel<int> open, closing(1);
    std::optional<int> got = 1;
    const auto receiver = [&] {
      return select(receive_from(open),
                    receive_from(closing, [&](std::optional<int> item) { got = item; }));
    };
    weft::Task<std::size_t> waits = weft::spawn(receiver);
    settle();
    closing.close();
    EXPECT_EQ(waits.get(), 1u);
    EXPECT_EQ(got, std::nullopt);
    got = 1;
    EXPECT_EQ(receiver(), 1u) << "again, at once";
    EXPECT_EQ(got, std::nullopt);
    EXPECT_THROW(select(send_to(closing, 3)), weft::ChannelClosed);
    EXPECT_FALSE(open.try_send(1)) << "and has left the other";
  });
}

TEST(Select, ASenderThatWaitsIsToldOfTheClosing) {
  weft::run(kInOrder, [] {
    Channel<int> open, closing;
    weft::Task<std::size_t> waits =
        weft::spawn([&] { return select(receive_from(open), send_to(closing, 3)); });
    settle();
    closing.close();
    EXPECT_THROW(waits.get(), weft::ChannelClosed);
    EXPECT_FALSE(open.try_send(1));
  });
}

TEST(Select, MovesOnlyWhatItSends) {
  Channel<Unique> room(1), full(1);
  full.send(std::make_unique<int>(0));
  Unique item = std::make_unique<int>(1);
  EXPECT_EQ(select(send_to(full, std::move(item)), otherwise()), 1u);
  ASSERT_NE(item, nullptr);  // NOLINT(bugprone-use-after-move): this is what is promised
  Unique other = std::make_unique<int>(2);
  EXPECT_EQ(select(send_to(full, std::move(other)), send_to(room, std::move(item))), 1u);
  EXPECT_EQ(item, nullptr);   // NOLINT(bugprone-use-after-move)
  EXPECT_NE(other, nullptr);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(**room.receive(), 1);
}

TEST(Select, SendsACopyOfWhatIsNotGivenAway) {
  Channel<std::string> channel(1);
  const std::string text = "a text that is too long to be kept inside";
  select(send_to(channel, text));
  EXPECT_EQ(channel.receive(), text);
}

TEST(Select, OtherwiseNeverWaits) {
  Channel<int> channel;
  bool called = false;
  EXPECT_EQ(select(otherwise([&] { called = true; }), receive_from(channel)), 0u);
  EXPECT_TRUE(called);
  EXPECT_EQ(select(otherwise()), 0u);
}

TEST(Select, OtherwiseLeavesWhatIsReadyToTheOthers) {
  Channel<int> channel(1);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(select(send_to(channel, i), otherwise()), 0u);
    EXPECT_EQ(select(receive_from(channel), otherwise()), 0u);
  }
}

TEST(Select, TheFirstTimeOutCounts) {
  weft::run([] {
    Channel<int> never;
    const auto begun = support::Clock::now();
    EXPECT_EQ(select(after(support::kGenerous), receive_from(never), after(2ms), after(1h)), 2u);
    EXPECT_GE(support::Clock::now() - begun, 2ms);
    EXPECT_FALSE(never.try_send(1));
    EXPECT_EQ(select(after(-1s)), 0u);
  });
}

TEST(Select, NoTimeAtAllStillTakesWhatIsReady) {
  weft::run([] {
    Channel<int> channel(1);
    EXPECT_EQ(select(receive_from(channel), after(0s)), 1u);
    channel.send(1);
    EXPECT_EQ(select(receive_from(channel), after(0s)), 0u);
  });
}

TEST(Select, CasesCanBeSwitchedOff) {
  weft::run(kInOrder, [] {
    Channel<int> channel(1);
    channel.send(1);
    EXPECT_EQ(select(receive_from(channel).when(false), otherwise()), 1u);
    EXPECT_EQ(select(receive_from(channel).when(true), otherwise()), 0u);
    EXPECT_EQ(select(send_to(channel, 1).when(false), after(1ms)), 1u);
    weft::Task<std::size_t> for_ever =
        weft::spawn([&] { return select(receive_from(channel).when(false)); });
    settle();
    channel.send(1);
    settle();
    EXPECT_FALSE(for_ever.done());
    for_ever.cancel();
    EXPECT_THROW(for_ever.get(), weft::Cancelled);
  });
}

TEST(Select, CasesOfOneChannelDoNotMeet) {
  weft::run(kInOrder, [] {
    for (const std::size_t capacity : {0, 1}) {
      Channel<int> channel(capacity);
      if (capacity == 1) {
        EXPECT_EQ(select(receive_from(channel), send_to(channel, 1)), 1u) << "there is room";
        EXPECT_EQ(select(receive_from(channel), send_to(channel, 2)), 0u) << "it is full";
        continue;
      }
      const auto both = [&] {
        return select(receive_from(channel), send_to(channel, 3), receive_from(channel));
      };
      weft::Task<std::size_t> one = weft::spawn(both);
      settle();
      EXPECT_FALSE(one.done());
      weft::Task<std::size_t> other = weft::spawn(both);
      const std::size_t first = one.get();
      EXPECT_EQ((first == 1) + (other.get() == 1), 1) << "one has sent what the other received";
      EXPECT_FALSE(channel.try_send(4));
      EXPECT_EQ(channel.try_receive(), std::nullopt);
    }
  });
}

TEST(Select, CancelledLeavesNoTrace) {
  weft::run(kInOrder, [] {
    Channel<int> in, out;
    weft::Task<std::size_t> waits =
        weft::spawn([&] { return select(receive_from(in), send_to(out, 1), after(1h)); });
    settle();
    waits.cancel();
    EXPECT_THROW(waits.get(), weft::Cancelled);
    EXPECT_FALSE(in.try_send(1));
    EXPECT_EQ(out.try_receive(), std::nullopt);
  });
}

TEST(Select, WhoeverWasServedBeforeTheRequestHasTheItem) {
  weft::run(kInOrder, [] {
    Channel<int> in, never;
    int got = 0;
    weft::Task<void> waits = weft::spawn([&] {
      select(receive_from(never), receive_from(in, [&](auto item) { got = *item; }));
      weft::sleep_for(1h);
    });
    settle();
    in.send(6);
    waits.cancel();
    EXPECT_THROW(waits.get(), weft::Cancelled);
    EXPECT_EQ(got, 6);
  });
}

TEST(Select, AWaiterThatLosesIsPassedOver) {
  weft::run(kInOrder, [] {
    Channel<int> first, second;
    weft::Task<std::size_t> selects =
        weft::spawn([&] { return select(receive_from(first), receive_from(second)); });
    weft::Task<std::optional<int>> receives = weft::spawn([&] { return second.receive(); });
    settle();
    first.send(1);  // which the select has not noticed yet
    second.send(2);
    EXPECT_EQ(selects.get(), 0u);
    EXPECT_EQ(receives.get(), 2);
  });
}

TEST(Select, AHandlersExceptionLeavesAfterTheDeed) {
  Channel<int> channel(1);
  channel.send(1);
  const auto handler = [](std::optional<int>) { throw std::runtime_error("no"); };
  EXPECT_THROW(select(receive_from(channel, handler)), std::runtime_error);
  EXPECT_EQ(channel.size(), 0u);
}

// How often each of those that are ready is chosen, of 20,000.
template <std::size_t... I>
std::array<int, sizeof...(I)> counts(std::array<Channel<int>, sizeof...(I)>& channels,
                                     std::index_sequence<I...>) {
  std::array<int, sizeof...(I)> chosen{};
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t which = select(receive_from(channels[I])...);
    ++chosen[which];
    channels[which].send(0);
  }
  return chosen;
}

TEST(Select, IsFairAmongThoseThatAreReady) {
  std::array<Channel<int>, 2> two{Channel<int>(1), Channel<int>(1)};
  for (Channel<int>& channel : two) channel.send(0);
  for (const int count : counts(two, std::make_index_sequence<2>())) {
    EXPECT_NEAR(count, 10'000, 1'000);
  }
  // Not all of them: a round that begins at a random place would favour the last but one.
  std::array<Channel<int>, 5> five{Channel<int>(1), Channel<int>(1), Channel<int>(1),
                                   Channel<int>(1), Channel<int>(1)};
  for (const std::size_t ready : {0, 3, 4}) five[ready].send(0);
  const std::array<int, 5> chosen = counts(five, std::make_index_sequence<5>());
  for (const std::size_t ready : {0, 3, 4}) EXPECT_NEAR(chosen[ready], 6'667, 667);
}

TEST(Select, AThreadSelectsToo) {
  Channel<int> in, out;
  std::vector<int> got;
  std::thread thread([&] {
    for (bool open = true; open;) {
      select(receive_from(in,
                          [&](std::optional<int> item) {
                            open = item.has_value();
                            if (open) got.push_back(*item);
                          }),
             send_to(out, 5), after(support::kGenerous, [&] { open = false; }));
    }
  });
  weft::run([&] {
    for (int i = 0; i < 100; ++i) {
      in.send(i);
      EXPECT_EQ(out.receive(), 5);
    }
    in.close();
  });
  thread.join();
  EXPECT_EQ(got.size(), 100u);
}

}  // namespace
