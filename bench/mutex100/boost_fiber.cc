// A hundred fibers share one mutex and one counter: ten million increments in all.

#include <cstdint>
#include <cstdio>
#include <vector>

#include <boost/fiber/all.hpp>

#include "support/boost_fibers.h"
#include "support/check.h"
#include "support/clock.h"

namespace {

constexpr int kFibers = 100;
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
          mutex.lock();
          ++counter;
          mutex.unlock();
        }
      });
    }
    for (auto& fiber : fibers) fiber.join();
    const std::int64_t elapsed = bench::monotonic_ns() - started;
    bench::check(counter == kFibers * kLocksEach, "no increment is lost");
    std::printf("{\"lock\": %.2f}\n",
                static_cast<double>(elapsed) / static_cast<double>(kFibers * kLocksEach));
  });
}
