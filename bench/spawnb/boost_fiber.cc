// Start a thousand empty fibers, then join them all, again and again.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"

namespace {

constexpr std::size_t kBatch = 1000;
constexpr std::int64_t kTimes = 1000;

template <typename Stacks>
std::int64_t start_and_join_all(Stacks& stacks) {
  static std::array<boost::fibers::fiber, kBatch> fibers;
  static std::array<int, kBatch> results;
  for (std::size_t i = 0; i < kBatch; ++i) {
    results[i] = 0;
    fibers[i] = boost::fibers::fiber(std::allocator_arg, stacks, [i] { results[i] = 1; });
  }
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < kBatch; ++i) {
    fibers[i].join();
    sum += results[i];
  }
  return sum;
}

template <typename Stacks>
void start_batches(Stacks& stacks) {
  std::int64_t ran = 0;
  const std::int64_t started = bench::monotonic_ns();
  for (std::int64_t i = 0; i < kTimes; ++i) ran += start_and_join_all(stacks);
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  bench::check(ran == kBatch * kTimes, "every fiber ran once");
  std::printf("{\"task\": %.2f}\n", static_cast<double>(elapsed) / static_cast<double>(ran));
}

}  // namespace

int main() {
  bench::run_fibers([] {
    bench::with_stack_pool(bench::kSmallStack, [](auto stacks) { start_batches(stacks); });
  });
}
