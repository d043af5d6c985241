// What a stackful switch cannot undercut here: Boost.Context's jump alone, there and back between
// two stacks. Each jump is a switch. Nothing else is saved, no queue is touched.

#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/check.h"

namespace {

using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

constexpr std::size_t kStackSize = 65'536;

std::uint64_t arrivals = 0;

[[noreturn]] void answer(transfer_t caller) {
  for (;;) {
    ++arrivals;
    caller = jump_fcontext(caller.fctx, nullptr);
  }
}

void there_and_back(benchmark::State& state) {
  std::vector<std::byte> stack(kStackSize);
  transfer_t other{make_fcontext(stack.data() + stack.size(), stack.size(), answer), nullptr};
  arrivals = 0;
  for ([[maybe_unused]] auto _ : state) other = jump_fcontext(other.fctx, nullptr);
  const auto round_trips = static_cast<std::uint64_t>(state.iterations());
  bench::check(arrivals == round_trips, "every jump arrived");
  state.SetItemsProcessed(static_cast<std::int64_t>(2 * round_trips));
}
BENCHMARK(there_and_back)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
