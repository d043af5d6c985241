// Fibonacci's numbers the slow way, with a fiber for one half of each sum. Newest first: with the
// schedulers that Boost.Fiber has all 1.3 million sums would be under way at once, on eight
// gigabytes of stacks.

#include <cstdint>
#include <cstdio>
#include <memory>

#include <boost/fiber/all.hpp>

#include "fib/expected.h"
#include "support/arguments.h"
#include "support/boost_fibers.h"
#include "support/boost_newest_first.h"
#include "support/check.h"
#include "support/clock.h"

namespace {

template <typename Stacks>
std::int64_t fib(Stacks& stacks, std::int64_t n) {
  if (n < 2) return n;
  std::int64_t first = 0;
  boost::fibers::fiber child(std::allocator_arg, stacks,
                             [&stacks, &first, n] { first = fib(stacks, n - 1); });
  const std::int64_t second = fib(stacks, n - 2);
  child.join();
  return first + second;
}

template <typename Stacks>
void measure(Stacks& stacks, std::int64_t n) {
  const std::int64_t started = bench::monotonic_ns();
  const std::int64_t value = fib(stacks, n);
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  const bench::Fibonacci expected = bench::fibonacci(n);
  bench::check(value == expected.value, "it is the number of Fibonacci");
  std::printf("{\"task\": %.2f}\n",
              static_cast<double>(elapsed) / static_cast<double>(expected.tasks));
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t n = bench::count_from(argc, argv, 30);
  bench::run_fibers_newest_first([n] {
    bench::with_stack_pool(bench::kSmallStack, [n](auto stacks) { measure(stacks, n); });
  });
}
