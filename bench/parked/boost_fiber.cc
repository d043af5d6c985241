// Many fibers wait for one condition variable. Their stacks have 64 KiB, as those of weft, but no
// guard pages: protected_fixedsize_stack takes two mappings a stack, of which the kernel grants
// 65,530 unless told otherwise, and the pool of stacks writes to both ends of each.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

#include <boost/fiber/all.hpp>

#include "support/arguments.h"
#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/process_memory.h"

namespace {

constexpr std::size_t kStackSize = 65'536;

struct Gate {
  boost::fibers::mutex mutex;
  boost::fibers::condition_variable opened;
  bool is_open = false;
  std::int64_t arrived = 0;
  std::int64_t sum_of_ids = 0;

  void pass(std::int64_t id) {
    std::unique_lock lock(mutex);
    ++arrived;
    opened.wait(lock, [this] { return is_open; });
    sum_of_ids += id;
  }
  bool has_arrived(std::int64_t count) {
    const std::lock_guard lock(mutex);
    return arrived == count;
  }
  void open() {
    {
      const std::lock_guard lock(mutex);
      is_open = true;
    }
    opened.notify_all();
  }
};

void park_and_wake(std::int64_t count) {
  Gate gate;
  std::vector<boost::fibers::fiber> fibers;

  const std::int64_t memory_before = bench::resident_and_page_table_bytes();
  const std::int64_t started = bench::monotonic_ns();
  fibers.reserve(static_cast<std::size_t>(count));
  boost::fibers::fixedsize_stack stacks(kStackSize);
  for (std::int64_t id = 0; id < count; ++id) {
    fibers.emplace_back(std::allocator_arg, stacks, [&gate, id] { gate.pass(id); });
  }
  while (!gate.has_arrived(count)) boost::this_fiber::yield();
  const std::int64_t parked = bench::monotonic_ns();
  const std::int64_t memory = bench::resident_and_page_table_bytes() - memory_before;

  const std::int64_t woken = bench::monotonic_ns();
  gate.open();
  for (auto& fiber : fibers) fiber.join();
  const std::int64_t ended = bench::monotonic_ns();
  bench::check(gate.sum_of_ids == count * (count - 1) / 2, "every fiber woke and ended once");

  const auto each = static_cast<double>(count);
  std::printf("{\"memory\": %.1f, \"start\": %.1f, \"wake\": %.1f}\n",
              static_cast<double>(memory) / each, static_cast<double>(parked - started) / each,
              static_cast<double>(ended - woken) / each);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = bench::count_from(argc, argv, 100'000);
  bench::run_fibers([count] { park_and_wake(count); });
}
