// A million empty fibers, then the results of them all. Each begins at once, while the one that
// starts it is ready again (launch::dispatch); had they to wait for it, they would hold a stack
// each, ten gigabytes in all. For the same reason the results are futures: a fiber that can be
// joined keeps its stack until it is.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include <boost/fiber/all.hpp>

#include "support/arguments.h"
#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/process_memory.h"

namespace {

template <typename Stacks>
void start_and_get_all(Stacks& stacks, std::int64_t count) {
  std::vector<boost::fibers::future<int>> results(static_cast<std::size_t>(count));
  const std::int64_t started = bench::monotonic_ns();
  for (auto& result : results) {
    result = boost::fibers::async(boost::fibers::launch::dispatch, std::allocator_arg, stacks,
                                  [] { return 1; });
  }
  std::int64_t sum = 0;
  for (auto& result : results) sum += result.get();
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  bench::check(sum == count, "every fiber ran once");
  std::printf("{\"task\": %.2f, \"peak\": %.1f}\n",
              static_cast<double>(elapsed) / static_cast<double>(count), bench::peak_resident_mb());
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = bench::count_from(argc, argv, 1'000'000);
  bench::run_fibers([count] {
    bench::with_stack_pool(bench::kSmallStack,
                           [count](auto stacks) { start_and_get_all(stacks, count); });
  });
}
