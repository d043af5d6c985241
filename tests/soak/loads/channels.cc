// Channels, and selects over two of them: what was sent is received once, whoever loses patience.

#include <array>
#include <optional>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

using Channel = weft::Channel<std::uint64_t>;
using Item = std::optional<std::uint64_t>;

struct Hall {
  Ledger& ledger;
  std::array<Channel, 2> channels;

  void sent(std::uint64_t item) const { ledger.in(Book::kItems, item); }
  void received(const Item& item) const {
    if (item.has_value()) ledger.out(Book::kItems, *item);
  }
};

/// May give up, and then has sent nothing.
void send_one(Hall& hall, Random& random, std::uint64_t item) {
  Channel& one = hall.channels[random.below(2)];
  switch (random.below(4)) {
    case 0:
      if (one.try_send(item)) hall.sent(item);
      break;
    case 1:
      weft::select(weft::send_to(hall.channels[0], item, [&] { hall.sent(item); }),
                   weft::send_to(hall.channels[1], item, [&] { hall.sent(item); }),
                   weft::after(some_micros(random, 300)));
      break;
    case 2:
      try {
        weft::timeout(some_micros(random, 300), [&] {
          one.send(item);
          hall.sent(item);
        });
      } catch (const weft::TimeoutError&) {
      }
      break;
    default:
      one.send(item);
      hall.sent(item);
  }
}

/// False once both are closed and empty.
bool receive_one(Hall& hall, Random& random, std::array<bool, 2>& open) {
  if (!open[0] && !open[1]) return false;
  const std::size_t one = open[0] && (!open[1] || random.one_in(2)) ? 0 : 1;
  const auto take = [&](std::size_t from) {
    return [&, from](const Item& item) {
      hall.received(item);
      open[from] = item.has_value();
    };
  };
  switch (random.below(3)) {
    case 0:
      weft::select(weft::receive_from(hall.channels[0], take(0)).when(open[0]),
                   weft::receive_from(hall.channels[1], take(1)).when(open[1]));
      break;
    case 1:
      weft::select(weft::receive_from(hall.channels[0], take(0)).when(open[0]),
                   weft::receive_from(hall.channels[1], take(1)).when(open[1]),
                   weft::after(some_micros(random, 200)));
      break;
    default:
      // Not for ever at one, while somebody waits to send at the other.
      try {
        weft::timeout(some_micros(random, 300), [&] { take(one)(hall.channels[one].receive()); });
      } catch (const weft::TimeoutError&) {
      }
  }
  return true;
}

}  // namespace

void channels(Scene& scene) {
  Ledger& ledger = scene.ledger;
  Random& random = scene.random;
  const auto capacity = [&] { return static_cast<std::size_t>(random.below(4)); };
  Hall hall{ledger, {Channel(capacity()), Channel(capacity())}};
  std::vector<weft::Task<void>> senders;
  std::vector<weft::Task<void>> receivers;
  for (int i = 1 + random.below(4); i > 0; --i) {
    senders.push_back(start(ledger, [&hall, random = random.split()]() mutable {
      for (int turn = 1; turn <= scaled(300); ++turn) {
        send_one(hall, random, static_cast<std::uint64_t>(turn));
      }
    }));
  }
  for (int i = 1 + random.below(4); i > 0; --i) {
    receivers.push_back(start(ledger, [&hall, random = random.split()]() mutable {
      std::array<bool, 2> open{true, true};
      while (receive_one(hall, random, open)) {
      }
    }));
  }
  PlainThread thread([&] {
    while (const Item item = hall.channels[1].receive()) hall.received(item);
  });
  for (auto& sender : senders) see(ledger, sender);
  for (Channel& channel : hall.channels) channel.close();
  for (auto& receiver : receivers) see(ledger, receiver);
  thread.join();
}

}  // namespace soak
