// The same for the inline context: its jump alone, there and back between two stacks.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fiber/context_inline.h"
#include "support/check.h"

namespace {

using weft::detail::jump;
using weft::detail::make_context;
using weft::detail::Transfer;

constexpr std::size_t kStackSize = 65'536;

std::uint64_t arrivals = 0;

[[noreturn]] void answer(Transfer caller) {
  for (;;) {
    ++arrivals;
    caller = jump(caller.fctx, nullptr);
  }
}

void there_and_back(benchmark::State& state) {
  std::vector<std::byte> stack(kStackSize);
  Transfer other{make_context(stack.data() + stack.size(), stack.size(), answer), nullptr};
  arrivals = 0;
  for ([[maybe_unused]] auto _ : state) other = jump(other.fctx, nullptr);
  const auto round_trips = static_cast<std::uint64_t>(state.iterations());
  bench::check(arrivals == round_trips, "every jump arrived");
  state.SetItemsProcessed(static_cast<std::int64_t>(2 * round_trips));
}
BENCHMARK(there_and_back)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
