// Goal: what is ready on a worker that stands still goes on soon on one that is never out of work,
// long before the monitor would see to it. Method: a fiber makes others ready on its own worker and
// computes until all of them have run, while the other worker has a pinned fiber that yields
// without end. The monitor acts when 10 ms have passed at the earliest, so the best of several
// rounds tells by whom they were taken. What counts is the processor time of the other worker: on a
// machine that is busy otherwise it may not run for as long as that.

#include <weft/unix.h>
#include <weft/weft.h>

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/build_kind.h"
#include "support/cpu_time.h"
#include "support/task_steps.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

constexpr int kRounds = 20;
// Of the monitor, who does not come before.
constexpr std::chrono::milliseconds kPeriod{10};

enum class Clocks { kNeeded, kNotNeeded };  // by the workers, for events

// A worker with something to do at any time, and nothing that others could take.
class BusyWorker {
 public:
  BusyWorker() {
    fiber_ = spawn([this] {
      const PinScope here;
      thread_ = ::pthread_self();
      begun_ = true;
      while (!ended_) yield();
    });
    // It has a worker of its own, for this one is not given up meanwhile.
    while (!begun_) {
    }
  }
  bool is_this_one() const { return ::pthread_equal(thread_, ::pthread_self()) != 0; }
  /// Processor time.
  std::chrono::nanoseconds spent() const { return cpu_time(thread_); }
  void end() {
    ended_ = true;
    fiber_.get();
  }

 private:
  pthread_t thread_{};  // as soon as it has begun
  std::atomic<bool> begun_{false};
  std::atomic<bool> ended_{false};
  Task<void> fiber_;
};

// What the other worker took before it had run those that are ready here, where this one stands
// still.
std::chrono::nanoseconds time_to_relief(int ready) {
  Event go;
  Arrivals waiting(ready);
  std::atomic<int> ran{0};
  std::vector<Task<void>> fibers;
  for (int i = 0; i < ready; ++i) {
    fibers.push_back(spawn([&] {
      waiting.arrive();
      go.wait();
      ++ran;
    }));
  }
  waiting.wait();
  BusyWorker other;
  spawn([] {}).get();  // from here on the monitor counts
  // Under chaos that may have brought this fiber to the other worker.
  if (!kChaos) {
    EXPECT_FALSE(other.is_this_one());
  }
  const Clock::time_point start = Clock::now();
  const std::chrono::nanoseconds spent_before = other.spent();
  go.set();
  while (ran < ready && Clock::now() - start < kGenerous) {
  }
  const std::chrono::nanoseconds took = other.spent() - spent_before;
  EXPECT_EQ(ran, ready);
  other.end();
  gather(fibers);
  return took;
}

class Relief : public testing::TestWithParam<std::tuple<int, Clocks>> {};

INSTANTIATE_TEST_SUITE_P(Ready, Relief,
                         testing::Combine(testing::Values(1, 2, 40),
                                          testing::Values(Clocks::kNeeded, Clocks::kNotNeeded)),
                         [](const auto& test) {
                           return "Of" + std::to_string(std::get<0>(test.param)) +
                                  (std::get<1>(test.param) == Clocks::kNeeded ? "BesideADescriptor"
                                                                              : "");
                         });

TEST_P(Relief, ComesFromWhoIsBusyBeforeTheMonitor) {
  const auto [ready, clocks] = GetParam();
  run(Options{.workers = 2}, [ready = ready, clocks = clocks] {
    auto [ours, theirs] = UnixStream::pair();
    Task<void> reader;
    if (clocks == Clocks::kNeeded) {
      reader = spawn([&ours = ours] {
        std::string text(1, '?');
        ours.read_some(bytes_of(text));
      });
      yield();
    }
    auto best = std::chrono::nanoseconds::max();
    for (int round = 0; round < kRounds && !HasFailure(); ++round) {
      best = std::min(best, time_to_relief(ready));
    }
    if (!kChaos) {
      EXPECT_LT(best, kPeriod * 8 / 10);
    }
    if (clocks == Clocks::kNeeded) {
      theirs.close();
      reader.get();
    }
  });
}

}  // namespace
}  // namespace weft
