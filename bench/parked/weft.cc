// Many fibers of the 64 KiB class wait for one event: the memory that a waiting fiber holds, guard
// page, descriptor and task handle included, and the time to start it and to wake and end it.

#include <weft/weft.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "support/arguments.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/process_memory.h"
#include "support/workers.h"

namespace {

constexpr std::size_t kStackSize = 65'536;

void park_and_wake(std::int64_t count) {
  weft::Event opened;
  std::atomic<std::int64_t> arrived = 0;
  std::int64_t sum_of_ids = 0;
  std::vector<weft::Task<std::int64_t>> tasks;

  const std::int64_t memory_before = bench::resident_and_page_table_bytes();
  const std::int64_t started = bench::monotonic_ns();
  tasks.reserve(static_cast<std::size_t>(count));
  for (std::int64_t id = 0; id < count; ++id) {
    tasks.push_back(weft::spawn(weft::SpawnOptions{.stack_size = kStackSize}, [&, id] {
      arrived.fetch_add(1);
      opened.wait();
      return id;
    }));
  }
  while (arrived.load() < count) weft::yield();
  const std::int64_t parked = bench::monotonic_ns();
  const std::int64_t memory = bench::resident_and_page_table_bytes() - memory_before;

  const std::int64_t woken = bench::monotonic_ns();
  opened.set();
  for (auto& task : tasks) sum_of_ids += task.get();
  const std::int64_t ended = bench::monotonic_ns();
  bench::check(sum_of_ids == count * (count - 1) / 2, "every fiber woke and ended once");

  const auto fibers = static_cast<double>(count);
  std::printf("{\"memory\": %.1f, \"start\": %.1f, \"wake\": %.1f}\n",
              static_cast<double>(memory) / fibers, static_cast<double>(parked - started) / fibers,
              static_cast<double>(ended - woken) / fibers);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = bench::count_from(argc, argv, 100'000);
  weft::run(weft::Options{.workers = bench::workers()}, [count] { park_and_wake(count); });
}
