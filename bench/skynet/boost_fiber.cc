// A tree of fibers with ten children a node and a million leaves; each joins its children and adds
// up what they found. Newest first: with the schedulers that Boost.Fiber has nearly all of them are
// under way at once, on ten gigabytes of stacks; with launch::dispatch it is still more than one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>

#include <boost/fiber/all.hpp>

#include "support/arguments.h"
#include "support/boost_fibers.h"
#include "support/boost_newest_first.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/process_memory.h"

namespace {

constexpr std::size_t kChildren = 10;

template <typename Stacks>
std::int64_t skynet(Stacks& stacks, std::int64_t first, std::int64_t leaves) {
  if (leaves == 1) return first;
  const std::int64_t each = leaves / std::int64_t{kChildren};
  std::array<std::int64_t, kChildren> found;
  std::array<boost::fibers::fiber, kChildren> children;
  for (std::size_t i = 0; i < kChildren; ++i) {
    children[i] = boost::fibers::fiber(
        std::allocator_arg, stacks,
        [&stacks, &sum = found[i], first, each] { sum = skynet(stacks, first, each); });
    first += each;
  }
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < kChildren; ++i) {
    children[i].join();
    sum += found[i];
  }
  return sum;
}

template <typename Stacks>
void measure(Stacks& stacks, std::int64_t leaves) {
  std::int64_t fibers = 0;
  for (std::int64_t row = 1; row <= leaves; row *= std::int64_t{kChildren}) fibers += row;
  std::int64_t sum = 0;
  const std::int64_t started = bench::monotonic_ns();
  boost::fibers::fiber(std::allocator_arg, stacks, [&] { sum = skynet(stacks, 0, leaves); }).join();
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  bench::check(sum == leaves * (leaves - 1) / 2, "every leaf is counted once");
  std::printf("{\"task\": %.2f, \"peak\": %.1f}\n",
              static_cast<double>(elapsed) / static_cast<double>(fibers),
              bench::peak_resident_mb());
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t leaves = bench::count_from(argc, argv, 1'000'000);
  bench::run_fibers_newest_first([leaves] {
    bench::with_stack_pool(bench::kSmallStack, [leaves](auto stacks) { measure(stacks, leaves); });
  });
}
