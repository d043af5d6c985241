// A gather of ten empty callables, again and again.

#include <benchmark/benchmark.h>
#include <weft/weft.h>

#include <cstdint>

#include "support/check.h"
#include "support/workers.h"

namespace {

constexpr std::int64_t kChildren = 10;

int sum_of_ten() {
  const auto one = [] { return 1; };
  const auto ones = weft::gather(one, one, one, one, one, one, one, one, one, one);
  return std::apply([](auto... each) { return (each + ...); }, ones);
}

void gather_ten(benchmark::State& state) {
  std::int64_t ran = 0;
  weft::run(weft::Options{.workers = bench::workers()}, [&] {
    for ([[maybe_unused]] auto _ : state) ran += sum_of_ten();
  });
  bench::check(ran == state.iterations() * kChildren, "every callable ran once");
  state.SetItemsProcessed(ran);
}
BENCHMARK(gather_ten)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
