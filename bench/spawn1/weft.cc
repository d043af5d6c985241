// Spawn one empty task and wait for it, again and again: what a task costs when nothing can be
// shared between one and the next.

#include <benchmark/benchmark.h>
#include <weft/weft.h>

#include <cstdint>

#include "support/check.h"
#include "support/workers.h"

namespace {

void spawn_and_get(benchmark::State& state) {
  std::int64_t ran = 0;  // plain: get() makes what the task did visible, on whichever worker
  weft::run(weft::Options{.workers = bench::workers()}, [&] {
    for ([[maybe_unused]] auto _ : state) weft::spawn([&ran] { ++ran; }).get();
  });
  bench::check(ran == state.iterations(), "every task ran once");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(spawn_and_get)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace

BENCHMARK_MAIN();
