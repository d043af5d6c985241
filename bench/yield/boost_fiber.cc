// Two fibers yield to each other while the first one waits for them. In between the dispatcher of
// Boost.Fiber takes its turn, once in a round.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr std::int64_t kYields = 2'000'000;

// As the program of weft does: with one thread the order is certain, so the two must alternate.
void check_that_yield_switches() {
  std::vector<int> order;
  auto note = [&order](int name) {
    for (int i = 0; i < 100; ++i) {
      order.push_back(name);
      boost::this_fiber::yield();
    }
  };
  boost::fibers::fiber first([&] { note(1); });
  boost::fibers::fiber second([&] { note(2); });
  first.join();
  second.join();
  bench::check(order.size() == 200, "both fibers ran to their end");
  for (std::size_t i = 1; i < order.size(); ++i) {
    bench::check(order[i] != order[i - 1], "a yield lets the other fiber run");
  }
}

void yield_times(std::int64_t times, std::int64_t* done) {
  while (*done < times) {
    boost::this_fiber::yield();
    ++*done;
  }
}

}  // namespace

int main() {
  bench::run_fibers([] {
    if (bench::workers() == 1) check_that_yield_switches();
    std::int64_t yields_of_first = 0;
    std::int64_t yields_of_second = 0;
    const std::int64_t started = bench::monotonic_ns();
    boost::fibers::fiber first(yield_times, kYields, &yields_of_first);
    boost::fibers::fiber second(yield_times, kYields, &yields_of_second);
    first.join();
    second.join();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(yields_of_first + yields_of_second == 2 * kYields, "every yield returned");
    std::printf("{\"switch\": %.2f}\n", static_cast<double>(elapsed) / (2 * kYields));
  });
}
