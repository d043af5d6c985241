// Several producers and several consumers, and a channel between them that holds only so much.
// Whoever is too fast waits for the others, so that little is under way however much there is to
// do.

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task_group.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

constexpr int kProducers = 3;
constexpr int kConsumers = 2;
constexpr int kOrdersEach = 40;
constexpr int kRoom = 4;

struct Order {
  int number;
};

std::atomic<int> under_way{0};
std::atomic<int> waits_for_room{0};

// Back-pressure: try_send() says that there is no room, and send() waits for some. A producer that
// need not know just calls send().
void produce(weft::Channel<Order>& orders, int first, int& most_under_way) {
  for (int i = 0; i < kOrdersEach; ++i) {
    most_under_way = std::max(most_under_way, ++under_way);
    const Order order{first + i};
    if (!orders.try_send(order)) {
      ++waits_for_room;
      orders.send(order);
    }
  }
}

struct Consumed {
  int orders = 0;
  int sum = 0;
};

// Each order goes to one consumer, to whoever is free first. The loop ends when the channel is
// closed and empty: what was sent before is not lost.
void consume(weft::Channel<Order>& orders, Consumed& consumed) {
  for (const Order& order : orders) {
    weft::sleep_for(1ms);  // the slower side
    ++consumed.orders;
    consumed.sum += order.number;
    --under_way;
  }
}

int main() {
  weft::run([] {
    weft::Channel<Order> orders(kRoom);
    std::array<int, kProducers> most_under_way{};
    std::array<Consumed, kConsumers> consumed;

    // Two groups, one within the other. When the inner one ends, nobody can send any more, and the
    // channel is closed; then the consumers end, and with them the outer group. If anyone failed,
    // all others would be stopped.
    weft::task_group([&](weft::TaskGroup& consumers) {
      for (Consumed& own : consumed) consumers.spawn([&] { consume(orders, own); });
      weft::task_group([&](weft::TaskGroup& producers) {
        for (int i = 0; i < kProducers; ++i) {
          producers.spawn([&, i] { produce(orders, 1 + i * kOrdersEach, most_under_way[i]); });
        }
      });
      orders.close();
    });

    Consumed all;
    for (const Consumed& own : consumed) {
      all.orders += own.orders;
      all.sum += own.sum;
      std::printf("a consumer had %s\n", own.orders > 0 ? "its share" : "nothing to do");
    }
    std::printf("%d producers, %d consumers: %d orders, their numbers add up to %d\n", kProducers,
                kConsumers, all.orders, all.sum);
    std::printf("producers waited for room: %s\n", waits_for_room > 0 ? "often" : "never");
    // One with each producer, four in the channel, one with each consumer.
    constexpr int kMost = kProducers + kRoom + kConsumers;
    const int most = *std::max_element(most_under_way.begin(), most_under_way.end());
    std::printf("more than %d orders under way: %s\n", kMost, most > kMost ? "yes" : "never");
  });
}
