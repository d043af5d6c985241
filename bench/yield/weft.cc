// Two fibers yield to each other while the main fiber waits for them: every yield is a switch.

#include <benchmark/benchmark.h>
#include <weft/weft.h>

#include <cstdint>
#include <vector>

#include "support/check.h"
#include "support/workers.h"

namespace {

constexpr std::int64_t kYields = 1'000'000;

std::int64_t yield_times(std::int64_t times) {
  std::int64_t done = 0;
  while (done < times) {
    weft::yield();
    ++done;
  }
  return done;
}

// A yield that returned without a switch would look very fast, so with one worker, where the order
// is certain, look first: the two must alternate. Outside the timed loop, which stays bare.
void check_that_yield_switches() {
  std::vector<int> order;
  auto note = [&order](int name) {
    for (int i = 0; i < 100; ++i) {
      order.push_back(name);
      weft::yield();
    }
  };
  auto first = weft::spawn([&] { note(1); });
  auto second = weft::spawn([&] { note(2); });
  first.get();
  second.get();
  bench::check(order.size() == 200, "both fibers ran to their end");
  for (std::size_t i = 1; i < order.size(); ++i) {
    bench::check(order[i] != order[i - 1], "a yield lets the other fiber run");
  }
}

void two_fibers(benchmark::State& state) {
  const unsigned workers = bench::workers();
  weft::run(weft::Options{.workers = workers}, [&] {
    if (workers == 1) check_that_yield_switches();
    for ([[maybe_unused]] auto _ : state) {
      // One callable for both: were they two, the return from each yield would be mispredicted, for
      // the fiber that comes back was called from elsewhere than the one that left.
      const auto yields = [] { return yield_times(kYields); };
      auto first = weft::spawn(yields);
      auto second = weft::spawn(yields);
      bench::check(first.get() + second.get() == 2 * kYields, "every yield returned");
    }
  });
  state.SetItemsProcessed(state.iterations() * 2 * kYields);
}
BENCHMARK(two_fibers)->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
