// Four fibers lock one mutex 100,000 times each and yield while they hold it.

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <vector>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"

namespace {

constexpr int kFibers = 4;
constexpr std::int64_t kLocksEach = 100'000;

}  // namespace

int main() {
  bench::run_fibers([] {
    boost::fibers::mutex mutex;
    std::int64_t counter = 0;
    const std::int64_t started = bench::monotonic_ns();
    std::vector<boost::fibers::fiber> fibers;
    fibers.reserve(kFibers);
    for (int i = 0; i < kFibers; ++i) {
      fibers.emplace_back([&] {
        for (std::int64_t turn = 0; turn < kLocksEach; ++turn) {
          const std::lock_guard lock(mutex);
          const std::int64_t seen = counter;
          boost::this_fiber::yield();
          counter = seen + 1;
        }
      });
    }
    for (auto& fiber : fibers) fiber.join();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(counter == kFibers * kLocksEach, "no increment is lost");
    std::printf("{\"all\": %.3f}\n", static_cast<double>(elapsed) / 1e6);
  });
}
