// As many producers and consumers as there are workers share one channel of 64: ten million items.

#include <weft/weft.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr std::size_t kCapacity = 64;
constexpr std::int64_t kItems = 10'000'000;

using Channel = weft::Channel<std::int64_t>;

std::int64_t add_up(Channel& channel) {
  std::int64_t sum = 0;
  for (const std::int64_t item : channel) sum += item;
  return sum;
}

void trade(unsigned pairs) {
  const std::int64_t each = kItems / pairs;
  Channel channel(kCapacity);
  const std::int64_t started = bench::monotonic_ns();
  std::vector<weft::Task<void>> producers;
  std::vector<weft::Task<std::int64_t>> consumers;
  for (unsigned i = 0; i < pairs; ++i) {
    producers.push_back(weft::spawn([&] {
      for (std::int64_t item = 1; item <= each; ++item) channel.send(item);
    }));
    consumers.push_back(weft::spawn([&] { return add_up(channel); }));
  }
  for (auto& producer : producers) producer.get();
  channel.close();
  std::int64_t sum = 0;
  for (auto& consumer : consumers) sum += consumer.get();
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  bench::check(sum == pairs * (each * (each + 1) / 2), "every item is received once");
  std::printf("{\"item\": %.2f}\n",
              static_cast<double>(elapsed) / static_cast<double>(pairs * each));
}

}  // namespace

int main() {
  weft::run(weft::Options{.workers = bench::workers()}, [] { trade(bench::workers()); });
}
