// Many fibers sleep for one second at once: wall and CPU time. Boost.Fiber has no deadline around a
// call, so there is no second part.

#include <atomic>
#include <chrono>
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

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kStackSize = 65'536;
constexpr std::int64_t kSecondNs = 1'000'000'000;

void sleep_together(std::int64_t count) {
  std::atomic<std::int64_t> early = 0;
  std::vector<boost::fibers::fiber> fibers;
  fibers.reserve(static_cast<std::size_t>(count));
  boost::fibers::fixedsize_stack stacks(kStackSize);
  const std::int64_t wall = bench::monotonic_ns();
  const std::int64_t cpu = bench::process_cpu_ns();
  for (std::int64_t i = 0; i < count; ++i) {
    fibers.emplace_back(std::allocator_arg, stacks, [&early] {
      const std::int64_t began = bench::monotonic_ns();
      boost::this_fiber::sleep_for(1s);
      if (bench::monotonic_ns() - began < kSecondNs) early.fetch_add(1);
    });
  }
  for (auto& fiber : fibers) fiber.join();
  const double wall_s = static_cast<double>(bench::monotonic_ns() - wall) / 1e9;
  const double cpu_s = static_cast<double>(bench::process_cpu_ns() - cpu) / 1e9;
  bench::check(early.load() == 0, "nobody woke before its time");
  std::printf("{\"wall\": %.4f, \"cpu\": %.4f}\n", wall_s, cpu_s);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = bench::count_from(argc, argv, 100'000);
  bench::run_fibers([count] { sleep_together(count); }, bench::Idle::kSleeps);
}
