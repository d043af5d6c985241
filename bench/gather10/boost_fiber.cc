// Ten empty fibers, each with a result, joined one after the other, again and again.

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

constexpr std::size_t kChildren = 10;
constexpr std::int64_t kTimes = 100'000;

template <typename Stacks>
int sum_of_ten(Stacks& stacks) {
  std::array<boost::fibers::fiber, kChildren> children;
  std::array<int, kChildren> results{};
  for (std::size_t i = 0; i < kChildren; ++i) {
    int& result = results[i];
    children[i] = boost::fibers::fiber(std::allocator_arg, stacks, [&result] { result = 1; });
  }
  int sum = 0;
  for (std::size_t i = 0; i < kChildren; ++i) {
    children[i].join();
    sum += results[i];
  }
  return sum;
}

template <typename Stacks>
void gather_ten(Stacks& stacks) {
  std::int64_t ran = 0;
  const std::int64_t started = bench::monotonic_ns();
  for (std::int64_t i = 0; i < kTimes; ++i) ran += sum_of_ten(stacks);
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  bench::check(ran == kChildren * kTimes, "every child ran once");
  std::printf("{\"child\": %.2f}\n", static_cast<double>(elapsed) / static_cast<double>(ran));
}

}  // namespace

int main() {
  bench::run_fibers(
      [] { bench::with_stack_pool(bench::kSmallStack, [](auto stacks) { gather_ten(stacks); }); });
}
