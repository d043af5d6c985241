// A hundred fibers share one mutex and one counter: ten million increments in all.

#include <weft/weft.h>

#include <cstdint>
#include <cstdio>
#include <vector>

#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr int kFibers = 100;
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
          mutex.lock();
          ++counter;
          mutex.unlock();
        }
      }));
    }
    for (auto& task : tasks) task.get();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(counter == kFibers * kLocksEach, "no increment is lost");
    std::printf("{\"lock\": %.2f}\n",
                static_cast<double>(elapsed) / static_cast<double>(kFibers * kLocksEach));
  });
}
