// Spawn a thousand empty tasks, then join them all, again and again: what a task costs when many
// are under way at once.

#include <benchmark/benchmark.h>
#include <weft/weft.h>

#include <array>
#include <cstdint>

#include "support/check.h"
#include "support/workers.h"

namespace {

constexpr std::int64_t kBatch = 1000;

std::int64_t spawn_and_join_all() {
  static std::array<weft::Task<int>, kBatch> tasks;
  for (auto& task : tasks) task = weft::spawn([] { return 1; });
  std::int64_t sum = 0;
  for (auto& task : tasks) sum += task.get();
  return sum;
}

void spawn_batches(benchmark::State& state) {
  std::int64_t ran = 0;
  weft::run(weft::Options{.workers = bench::workers()}, [&] {
    for ([[maybe_unused]] auto _ : state) ran += spawn_and_join_all();
  });
  bench::check(ran == state.iterations() * kBatch, "every task ran once");
  state.SetItemsProcessed(ran);
}
BENCHMARK(spawn_batches)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
