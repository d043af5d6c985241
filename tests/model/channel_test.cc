// Goal: an item that was sent is received once, by one, in the order in which it was sent, and one
// that was not sent is received by nobody; nobody waits for ever; all that also when waiters are
// cancelled or the channel is closed at that moment. Method: the channel of sync/, over model
// threads. They wait as plain threads do, who go on as soon as they are claimed: a fiber, which has
// to be resumed, has fewer orders.

#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/error.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "proof.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using Threads = std::vector<std::function<void()>>;

// One that takes its time to be moved.
struct Item {
  explicit Item(int n) : number(n) {}
  Item(Item&& other) noexcept : number(other.number) {
    model::step("moves an item");
    other.number = -1;
  }
  int number;
};

class Traffic : public Model {
 protected:
  Traffic(int threads, int senders, std::size_t capacity) : channel(capacity), sending(senders) {
    model::reset_waits(threads);
  }

  // Items `first`, `first + 1`, ... The last sender to end closes the channel.
  void send(int first, int count) {
    try {
      for (int item = first; item < first + count; ++item) {
        written[item].set(true);
        channel.send(Item(item));
        sent.push_back(item);
      }
    } catch (const weft::Cancelled&) {
      ++cancelled;
    } catch (const weft::ChannelClosed&) {
      ++refused;
    }
    if (sending.fetch_sub(1) == 1) close();
  }
  void close() {
    try {
      channel.close();
    } catch (const weft::ChannelClosed&) {
      ++closed_before;
    }
  }
  void receive_all() {
    while (receive_one()) {
    }
  }
  bool receive_one() {
    try {
      const std::optional<Item> item = channel.receive();
      if (!item) return false;
      require(item->number >= 0, "it is there when it has been received");
      require(written[item->number].get(), "what was done before the item was sent is seen");
      received.push_back(item->number);
      return true;
    } catch (const weft::Cancelled&) {
      ++cancelled;
      return false;
    }
  }
  // Whenever it waits, in its first wait.
  static void cancel(int thread) { weft::detail::cancel(model::fiber_of(thread), 0); }

  // What is left in the buffer has been sent, too.
  void at_end() override {
    while (const std::optional<Item> item = channel.try_receive()) received.push_back(item->number);
    std::sort(sent.begin(), sent.end());
    std::sort(received.begin(), received.end());
    require(sent == received, "what was sent is received, once");
    require(channel.size() == 0, "and nothing is left");
  }

  weft::Channel<Item> channel;
  weft::detail::Atomic<int> sending;
  model::Plain<bool> written[4];
  std::vector<int> sent, received;
  int cancelled = 0, refused = 0, closed_before = 0;
};

// One of two senders is cancelled at any moment, the one in which its item is taken included.
struct CancelledSender : Traffic {
  CancelledSender() : Traffic(4, 2, 0) {}
  Threads threads() override {
    return {[this] { send(0, 1); }, [this] { send(1, 1); }, [this] { receive_all(); },
            [] { cancel(0); }};
  }
  void at_end() override {
    require(sent.size() + static_cast<std::size_t>(cancelled) == 2, "sent or cancelled");
    Traffic::at_end();
  }
};
TEST(ChannelModel, ASenderOfARendezvousIsCancelled) {
  support::expect_proven<CancelledSender>({.preemptions = 2, .delays = 0});
}

// One of two receivers is cancelled; the other has what it might have had.
struct CancelledReceiver : Traffic {
  CancelledReceiver() : Traffic(4, 1, 0) {}
  Threads threads() override {
    return {[this] { send(0, 1); }, [this] { receive_one(); }, [this] { receive_all(); },
            [] { cancel(1); }};
  }
  void at_end() override {
    require(sent.size() == 1, "a receiver is left for it");
    Traffic::at_end();
  }
};
TEST(ChannelModel, AReceiverOfARendezvousIsCancelled) {
  support::expect_proven<CancelledReceiver>({.preemptions = 2, .delays = 0});
}

// With stores that show late.
struct Rendezvous : Traffic {
  Rendezvous() : Traffic(2, 1, 0) {}
  Threads threads() override {
    return {[this] { send(0, 2); }, [this] { receive_all(); }};
  }
  void at_end() override {
    require(received == std::vector<int>{0, 1}, "in the order in which they were sent");
    Traffic::at_end();
  }
};
TEST(ChannelModel, ARendezvousHandsOver) { support::expect_proven<Rendezvous>({.preemptions = 3}); }

// A buffer of one, in which each receive moves the next sender's item.
struct Buffered : Traffic {
  Buffered() : Traffic(2, 1, 1) {}
  Threads threads() override {
    return {[this] { send(0, 3); },
            [this] {
              receive_one();
              receive_one();
            }};
  }
  void at_end() override {
    require(sent.size() == 3, "there is room for the last");
    require(received == std::vector<int>{0, 1}, "in the order in which they were sent");
    Traffic::at_end();
  }
};
TEST(ChannelModel, ABufferOfOneIsRefilled) { support::expect_proven<Buffered>({.preemptions = 2}); }

// Closed at any moment, whoever waits then.
struct ClosedBuffer : Traffic {
  ClosedBuffer() : Traffic(3, 1, 1) {}
  Threads threads() override {
    return {[this] { send(0, 2); }, [this] { receive_all(); }, [this] { close(); }};
  }
  void at_end() override {
    require(std::is_sorted(received.begin(), received.end()), "in order");
    require((sent.size() == 2) != (refused == 1), "all are sent, or the sender is told");
    require(closed_before == 1, "one has closed it, and the other is told");
    Traffic::at_end();
  }
};
TEST(ChannelModel, ABufferOfOneIsClosed) {
  support::expect_proven<ClosedBuffer>({.preemptions = 2});
}

// Nobody receives, so that a sender that is not told waits for ever.
struct ClosedFull : Traffic {
  ClosedFull() : Traffic(2, 1, 1) {}
  Threads threads() override {
    return {[this] { send(0, 2); }, [this] { close(); }};
  }
  void at_end() override {
    require(refused == 1, "there was no room for the second");
    Traffic::at_end();
  }
};
TEST(ChannelModel, AFullBufferIsClosed) { support::expect_proven<ClosedFull>({.preemptions = 3}); }

// Those whose wait has been ended may destroy the channel, whatever else close() has to do.
struct ChannelGoes : Model {
  ChannelGoes() {
    model::reset_waits(3);
    channel.emplace();
  }
  Threads threads() override {
    return {[this] { await_end(); }, [this] { await_end(); }, [this] { channel->close(); }};
  }
  void await_end() {
    require(!channel->receive(), "nothing was sent");
    if (ended.fetch_add(1) == 0) return;
    channel.reset();
    model::gone(&channel, sizeof channel);
  }
  void at_end() override { require(ended.load() == 2, "both have been told"); }
  std::optional<weft::Channel<int>> channel;
  weft::detail::Atomic<int> ended{0};
};
TEST(ChannelModel, CloseIsDoneWithTheChannelWhenTheLastGoesOn) {
  support::expect_proven<ChannelGoes>({.preemptions = 2});
}

}  // namespace
