// As many producers and consumers as there are threads share one channel of 64: ten million items.
// Its ring has 64 places, of which one is never used.

#include <cstdint>
#include <cstdio>
#include <vector>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr std::size_t kCapacity = 64;
constexpr std::int64_t kItems = 10'000'000;

using Channel = boost::fibers::buffered_channel<std::int64_t>;

void trade() {
  const std::int64_t pairs = bench::workers();
  const std::int64_t each = kItems / pairs;
  Channel channel(kCapacity);
  std::vector<std::int64_t> sums(static_cast<std::size_t>(pairs));
  const std::int64_t started = bench::monotonic_ns();
  std::vector<boost::fibers::fiber> producers;
  std::vector<boost::fibers::fiber> consumers;
  for (std::int64_t& sum : sums) {
    producers.emplace_back([&] {
      for (std::int64_t item = 1; item <= each; ++item) channel.push(item);
    });
    consumers.emplace_back([&] {
      std::int64_t own = 0;
      for (const std::int64_t item : channel) own += item;
      sum = own;
    });
  }
  for (auto& producer : producers) producer.join();
  channel.close();
  for (auto& consumer : consumers) consumer.join();
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  std::int64_t sum = 0;
  for (const std::int64_t own : sums) sum += own;
  bench::check(sum == pairs * (each * (each + 1) / 2), "every item is received once");
  std::printf("{\"item\": %.2f}\n",
              static_cast<double>(elapsed) / static_cast<double>(pairs * each));
}

}  // namespace

int main() { bench::run_fibers(trade, bench::Idle::kSleeps); }
