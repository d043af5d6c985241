// Goal: whatever goes on at a channel, an item is received if and only if it was sent, once, behind
// those that its sender had sent before; and everybody comes to an end. Method: fibers and threads
// send and receive in all the ways there are, while time-outs and cancellations rain on them; the
// books of both sides are compared.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/rounds.h"
#include "support/seed.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::Random;
using support::scaled;

constexpr auto kTime = 2s;

struct Item {
  int sender;
  int number;
  LiveCount::Token token;
};
using Channel = weft::Channel<Item>;

std::chrono::microseconds some_microseconds(Random& random) {
  return std::chrono::microseconds(random.below(100));
}

class Market {
 public:
  enum class Party : bool { kThread, kFiber };

  Market(std::size_t capacity, int senders, int items)
      : channel_(capacity), items_(items), pages_(static_cast<std::size_t>(senders)) {
    for (Page& page : pages_) page = std::make_unique<Entry[]>(static_cast<std::size_t>(items));
  }

  void send_all(int sender, Random random, Party party) {
    for (int number = 0; number < items_; ++number) {
      Entry& entry = pages_[static_cast<std::size_t>(sender)][number];
      try {
        entry.sent = send_somehow({sender, number, live_.token()}, random, party);
      } catch (const weft::ChannelClosed&) {
        return;
      }
      operations_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void receive_all(Random random, Party party) {
    std::vector<int> newest(pages_.size(), -1);
    for (;;) {
      std::optional<Item> item;
      try {
        if (random.one_in(16)) {
          item = channel_.try_receive();
          if (!item) continue;
        } else if (party == Party::kFiber && random.one_in(64)) {
          weft::timeout(some_microseconds(random), [&] { item = channel_.receive(); });
        } else {
          item = channel_.receive();
        }
      } catch (const weft::Cancelled&) {
        continue;
      } catch (const weft::TimeoutError&) {
        if (!item) continue;  // with the item, and time was up after that
      }
      if (!item) return;
      int& last = newest[static_cast<std::size_t>(item->sender)];
      EXPECT_GT(item->number, last) << "behind those before it";
      last = item->number;
      ++pages_[static_cast<std::size_t>(item->sender)][item->number].received;
      operations_.fetch_add(1, std::memory_order_relaxed);
    }
  }

  void close() {
    try {
      channel_.close();
    } catch (const weft::ChannelClosed&) {  // somebody has, before all were sent
    }
  }

  long operations() const { return operations_; }

  void check() {
    EXPECT_EQ(channel_.size(), 0u);
    EXPECT_EQ(live_.alive(), 0);
    for (const Page& page : pages_) {
      for (int i = 0; i < items_; ++i) ASSERT_EQ(page[i].received, page[i].sent ? 1 : 0);
    }
  }

 private:
  struct Entry {
    bool sent = false;  // the sender's
    std::atomic<signed char> received{0};
  };
  using Page = std::unique_ptr<Entry[]>;

  // Whether it was sent. An item that was not is whole.
  bool send_somehow(Item item, Random& random, Party party) {
    bool sent = false;
    try {
      if (random.one_in(16)) {
        sent = channel_.try_send(std::move(item));
      } else if (party == Party::kFiber && random.one_in(64)) {
        weft::timeout(some_microseconds(random), [&] {
          channel_.send(std::move(item));
          sent = true;
        });
      } else {
        channel_.send(std::move(item));
        sent = true;
      }
    } catch (const weft::Cancelled&) {
    } catch (const weft::TimeoutError&) {
    }
    return sent;
  }

  LiveCount live_;
  Channel channel_;
  const int items_;
  std::vector<Page> pages_;
  std::atomic<long> operations_{0};
};

/// A market day: who takes part is drawn.
class Day {
 public:
  explicit Day(std::uint64_t stream) : random_(stream), stream_(stream) {}

  long pass() {
    constexpr std::size_t kCapacities[] = {0, 1, 2, 64};
    constexpr unsigned kWorkers[] = {1, 2, 4};
    const int senders = 1 + random_.below(4);
    const int receivers = 1 + random_.below(4);
    Market market(kCapacities[random_.below(4)], senders, scaled(20'000) / senders);
    weft::Options options{.workers = kWorkers[random_.below(3)]};
    options.on_lost_exception = [](const weft::LostException&) { ADD_FAILURE(); };
    weft::run(options, [&] { trade(market, senders, receivers); });
    market.check();
    return market.operations();
  }

 private:
  using Party = Market::Party;

  void trade(Market& market, int senders, int receivers) {
    support::Arrivals arrivals(senders + receivers);
    const auto take_part = [&](std::vector<weft::Task<void>>& tasks, auto body) {
      if (random_.one_in(4)) {
        threads_.emplace_back([&arrivals, body] {
          arrivals.arrive();
          body(Party::kThread);
        });
      } else {
        tasks.push_back(weft::spawn([&arrivals, body] {
          arrivals.arrive();
          body(Party::kFiber);
        }));
      }
    };
    std::vector<weft::Task<void>> sending;
    std::vector<weft::Task<void>> receiving;
    std::atomic<int> left{senders};
    for (int i = 0; i < senders; ++i) {
      take_part(sending, [&market, &left, i, random = own_random()](Party party) {
        market.send_all(i, random, party);
        if (left.fetch_sub(1) == 1) market.close();
      });
    }
    for (int i = 0; i < receivers; ++i) {
      take_part(receiving, [&market, random = own_random()](Party party) {
        market.receive_all(random, party);
      });
    }
    arrivals.wait();  // who is cancelled before that takes no part
    const bool ends_early = random_.one_in(4);
    do {
      weft::sleep_for(some_microseconds(random_));
      for (auto* const tasks : {&sending, &receiving}) {
        if (!tasks->empty() && random_.one_in(2)) {
          (*tasks)[static_cast<std::size_t>(random_.below(static_cast<int>(tasks->size())))]
              .cancel();
        }
      }
      if (ends_early && random_.one_in(20)) market.close();
    } while (left > 0);
    for (weft::Task<void>& task : sending) task.join();
    for (weft::Task<void>& task : receiving) task.join();
    weft::to_thread([this] {
      for (std::thread& thread : threads_) thread.join();
    });
  }
  Random own_random() { return Random(stream_ + ++streams_); }

  Random random_;
  const std::uint64_t stream_;
  std::uint64_t streams_ = 0;
  std::vector<std::thread> threads_;
};

TEST(ChannelStress, EveryItemThatWasSentIsReceivedOnce) {
  long operations = 0;
  support::for_rounds(kTime, [&](std::uint64_t stream) { operations += Day(stream).pass(); });
  std::printf("%ld operations\n", operations);
}

}  // namespace
