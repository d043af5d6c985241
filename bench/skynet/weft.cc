// A tree of tasks with ten children a node and a million leaves; each waits for its children and
// adds up what they found. 1,111,111 tasks. Spawned before any is waited for: the order in which
// they run is the runtime's.

#include <weft/weft.h>

#include <array>
#include <cstdint>
#include <cstdio>

#include "support/arguments.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/process_memory.h"
#include "support/workers.h"

namespace {

constexpr int kChildren = 10;

std::int64_t skynet(std::int64_t first, std::int64_t leaves) {
  if (leaves == 1) return first;
  const std::int64_t each = leaves / kChildren;
  std::array<weft::Task<std::int64_t>, kChildren> children;
  for (auto& child : children) {
    child = weft::spawn([first, each] { return skynet(first, each); });
    first += each;
  }
  std::int64_t sum = 0;
  for (auto& child : children) sum += child.get();
  return sum;
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t leaves = bench::count_from(argc, argv, 1'000'000);
  weft::run(weft::Options{.workers = bench::workers()}, [leaves] {
    std::int64_t tasks = 0;
    for (std::int64_t row = 1; row <= leaves; row *= kChildren) tasks += row;
    const std::int64_t started = bench::monotonic_ns();
    const std::int64_t sum = weft::spawn([leaves] { return skynet(0, leaves); }).get();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(sum == leaves * (leaves - 1) / 2, "every leaf is counted once");
    std::printf("{\"task\": %.2f, \"peak\": %.1f}\n",
                static_cast<double>(elapsed) / static_cast<double>(tasks),
                bench::peak_resident_mb());
  });
}
