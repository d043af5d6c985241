// What synchronisation costs where nobody waits: a mutex is locked and unlocked, an item that is
// there is received, and the same by a select of two receives. Medians of batches; beside them two
// locked operations, which is what a mutex takes among several workers. One that is the only one
// does without.

#include <weft/weft.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <vector>

#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr int kTimes = 4096;  // in a batch
constexpr int kBatches = 501;

// One call, in ns. `before` makes ready what a batch takes.
template <class Before, class F>
double median_ns(Before before, F call) {
  std::vector<double> batches;
  for (int batch = 0; batch < kBatches; ++batch) {
    before();
    const std::int64_t begin = bench::monotonic_ns();
    for (int i = 0; i < kTimes; ++i) call();
    batches.push_back(static_cast<double>(bench::monotonic_ns() - begin) / kTimes);
  }
  const auto middle = batches.begin() + kBatches / 2;
  std::nth_element(batches.begin(), middle, batches.end());
  return *middle;
}

void measure() {
  std::int64_t sum = 0;
  std::atomic<int> word{0};
  const double floor = median_ns([] {},
                                 [&] {
                                   int free = 0;
                                   sum += word.compare_exchange_strong(free, 1) ? 0 : 1;
                                   sum += word.exchange(0) - 1;
                                 });
  weft::Mutex mutex;
  const double lock = median_ns([] {},
                                [&] {
                                  mutex.lock();
                                  ++sum;
                                  mutex.unlock();
                                });
  bench::check(sum == std::int64_t{kTimes} * kBatches, "every lock is taken once");

  weft::Channel<std::int64_t> full(kTimes), other(kTimes);
  const auto fill = [&] {
    for (std::int64_t item = 1; item <= kTimes; ++item) full.send(item);
  };
  sum = 0;
  const double receive = median_ns(fill, [&] { sum += *full.receive(); });
  const auto add = [&](std::optional<std::int64_t> item) { sum += *item; };
  const double select = median_ns(
      fill, [&] { weft::select(weft::receive_from(full, add), weft::receive_from(other, add)); });
  const std::int64_t batch = std::int64_t{kTimes} * (kTimes + 1) / 2;
  bench::check(sum == 2 * kBatches * batch, "every item is received once");
  std::printf(
      "{\"lock\": %.2f, \"floor\": %.2f, \"receive\": %.2f, \"select\": %.2f, "
      "\"select_receives\": %.2f}\n",
      lock, floor, receive, select, select / receive);
}

}  // namespace

int main() { weft::run(weft::Options{.workers = bench::workers()}, measure); }
