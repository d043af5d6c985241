// Two fibers hand a turn to each other, there and back. The hand-off is a pair of weft::Event, one
// a direction, each set by one side and cleared by the other: what a rendezvous costs without the
// value that a channel would carry.

#include <benchmark/benchmark.h>
#include <weft/weft.h>

#include <cstdint>

#include "support/check.h"
#include "support/workers.h"

namespace {

constexpr std::int64_t kRoundTrips = 100'000;

class Turn {
 public:
  void pass() { passed_.set(); }
  void take() {
    passed_.wait();
    passed_.clear();
  }

 private:
  weft::Event passed_;
};

void play(std::int64_t round_trips) {
  Turn ping;
  Turn pong;
  std::int64_t passes = 0;  // plain: only the fiber whose turn it is touches it
  auto answering = weft::spawn([&] {
    for (std::int64_t i = 0; i < round_trips; ++i) {
      ping.take();
      bench::check(++passes == 2 * i + 2, "ping arrives after its pass and before the next");
      pong.pass();
    }
  });
  for (std::int64_t i = 0; i < round_trips; ++i) {
    bench::check(++passes == 2 * i + 1, "pong arrives after its pass and before the next");
    ping.pass();
    pong.take();
  }
  answering.get();
  bench::check(passes == 2 * round_trips, "every turn was taken");
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
