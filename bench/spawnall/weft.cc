// Spawn a million empty tasks, then join them all: what a task costs, and how much memory at most,
// when the one who spawns goes on and on.

#include <weft/weft.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "support/arguments.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/process_memory.h"
#include "support/workers.h"

int main(int argc, char** argv) {
  const std::int64_t count = bench::count_from(argc, argv, 1'000'000);
  weft::run(weft::Options{.workers = bench::workers()}, [count] {
    std::vector<weft::Task<int>> tasks(static_cast<std::size_t>(count));
    const std::int64_t started = bench::monotonic_ns();
    for (auto& task : tasks) task = weft::spawn([] { return 1; });
    std::int64_t sum = 0;
    for (auto& task : tasks) sum += task.get();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(sum == count, "every task ran once");
    std::printf("{\"task\": %.2f, \"peak\": %.1f}\n",
                static_cast<double>(elapsed) / static_cast<double>(count),
                bench::peak_resident_mb());
  });
}
