// Many fibers sleep for one second at once: how long that takes in all (a perfect runtime: one
// second) and how much CPU time. Then a timeout around a call that returns at once: arm and cancel.

#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "support/arguments.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kStackSize = 65'536;

struct Sleep {
  double wall_s;
  double cpu_s;
};

Sleep sleep_together(std::int64_t count) {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  std::atomic<std::int64_t> early = 0;
  std::vector<weft::Task<void>> tasks;
  tasks.reserve(static_cast<std::size_t>(count));
  const std::int64_t wall = bench::monotonic_ns();
  const std::int64_t cpu = bench::process_cpu_ns();
  for (std::int64_t i = 0; i < count; ++i) {
    tasks.push_back(weft::spawn(weft::SpawnOptions{.stack_size = kStackSize}, [&early] {
      const std::int64_t began = bench::monotonic_ns();
      weft::sleep_for(1s);
      if (bench::monotonic_ns() - began < kSecondNs) early.fetch_add(1);
    }));
  }
  for (auto& task : tasks) task.get();
  const Sleep sleep{static_cast<double>(bench::monotonic_ns() - wall) / 1e9,
                    static_cast<double>(bench::process_cpu_ns() - cpu) / 1e9};
  bench::check(early.load() == 0, "nobody woke before its time");
  return sleep;
}

double arm_and_cancel_ns() {
  constexpr std::int64_t kTimes = 1'000'000;
  std::int64_t returned = 0;
  const std::int64_t started = bench::monotonic_ns();
  for (std::int64_t i = 0; i < kTimes; ++i) {
    returned += weft::timeout(1h, [] { return 1; });
  }
  const std::int64_t ended = bench::monotonic_ns();
  bench::check(returned == kTimes, "every call returned its value");
  return static_cast<double>(ended - started) / static_cast<double>(kTimes);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = bench::count_from(argc, argv, 100'000);
  weft::run(weft::Options{.workers = bench::workers()}, [count] {
    const Sleep sleep = sleep_together(count);
    const double arm = arm_and_cancel_ns();
    std::printf("{\"wall\": %.4f, \"cpu\": %.4f, \"arm\": %.2f}\n", sleep.wall_s, sleep.cpu_s, arm);
  });
}
