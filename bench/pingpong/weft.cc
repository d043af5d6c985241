// Two fibers hand a value to each other over channels without a buffer, there and back.

#include <benchmark/benchmark.h>
#include <weft/weft.h>

#include <cstdint>

#include "support/check.h"
#include "support/workers.h"

namespace {

constexpr std::int64_t kRoundTrips = 100'000;

using Channel = weft::Channel<std::int64_t>;

void answer(Channel& ping, Channel& pong) {
  for (const std::int64_t value : ping) pong.send(value + 1);
  pong.close();
}

void play(std::int64_t round_trips) {
  Channel ping;
  Channel pong;
  auto answering = weft::spawn([&] { answer(ping, pong); });
  std::int64_t value = 0;
  for (std::int64_t i = 0; i < round_trips; ++i) {
    ping.send(value);
    value = pong.receive().value();
  }
  ping.close();
  answering.get();
  bench::check(value == round_trips && !pong.receive(), "no round trip is lost");
}

void there_and_back(benchmark::State& state) {
  weft::run(weft::Options{.workers = bench::workers()}, [&] {
    for ([[maybe_unused]] auto _ : state) play(kRoundTrips);
  });
  state.SetItemsProcessed(state.iterations() * kRoundTrips);
}
BENCHMARK(there_and_back)->UseRealTime()->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
