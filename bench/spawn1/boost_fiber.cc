// Start one empty fiber and join it, again and again.

#include <cstdint>
#include <cstdio>
#include <memory>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"

namespace {

constexpr std::int64_t kTimes = 1'000'000;

template <typename Stacks>
void start_and_join(Stacks& stacks) {
  std::int64_t ran = 0;  // plain: join() makes what the fiber did visible, on whichever thread
  const std::int64_t started = bench::monotonic_ns();
  for (std::int64_t i = 0; i < kTimes; ++i) {
    boost::fibers::fiber(std::allocator_arg, stacks, [&ran] { ++ran; }).join();
  }
  const std::int64_t elapsed = bench::monotonic_ns() - started;
  bench::check(ran == kTimes, "every fiber ran once");
  std::printf("{\"task\": %.2f}\n", static_cast<double>(elapsed) / kTimes);
}

}  // namespace

int main() {
  bench::run_fibers([] {
    bench::with_stack_pool(bench::kSmallStack, [](auto stacks) { start_and_join(stacks); });
  });
}
