// Fibonacci's numbers the slow way, with a task for one half of each sum: what fork-join costs when
// the work is nothing.

#include <weft/weft.h>

#include <cstdint>
#include <cstdio>

#include "fib/expected.h"
#include "support/arguments.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

std::int64_t fib(std::int64_t n) {
  if (n < 2) return n;
  auto first = weft::spawn([n] { return fib(n - 1); });
  const std::int64_t second = fib(n - 2);
  return first.get() + second;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t n = bench::count_from(argc, argv, 30);
  weft::run(weft::Options{.workers = bench::workers()}, [n] {
    const std::int64_t started = bench::monotonic_ns();
    const std::int64_t value = fib(n);
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    const bench::Fibonacci expected = bench::fibonacci(n);
    bench::check(value == expected.value, "it is the number of Fibonacci");
    std::printf("{\"task\": %.2f}\n",
                static_cast<double>(elapsed) / static_cast<double>(expected.tasks));
  });
}
