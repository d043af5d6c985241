// Four fibers lock one mutex 100,000 times each and yield while they hold it, so that the others
// always wait: hand-overs, one after the other. There is nothing to win by a second worker; what is
// measured with one is how much it harms.

#include <weft/weft.h>

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <vector>

#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr int kFibers = 4;
constexpr std::int64_t kLocksEach = 100'000;

}  // namespace

int main() {
  weft::run(weft::Options{.workers = bench::workers()}, [] {
    weft::Mutex mutex;
    std::int64_t counter = 0;
    const std::int64_t started = bench::monotonic_ns();
    std::vector<weft::Task<void>> tasks;
    tasks.reserve(kFibers);
    for (int i = 0; i < kFibers; ++i) {
      tasks.push_back(weft::spawn([&] {
        for (std::int64_t turn = 0; turn < kLocksEach; ++turn) {
          const std::lock_guard lock(mutex);
          const std::int64_t seen = counter;
          weft::yield();
          counter = seen + 1;
        }
      }));
    }
    for (auto& task : tasks) task.get();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(counter == kFibers * kLocksEach, "no increment is lost");
    std::printf("{\"all\": %.3f}\n", static_cast<double>(elapsed) / 1e6);
  });
}
