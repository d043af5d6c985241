#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "support/check.h"
#include "support/clock.h"
#include "support/histogram.h"

namespace bench {

inline constexpr int kWakes = 1'000;
// Long enough for a worker that looks for work before it sleeps to have given up.
inline constexpr std::int64_t kSettleNs = 300'000;

// A sleeper that is kept from running is still on its way to sleep when it is woken. Such a round
// does not count; but most must.
inline constexpr int kMostRounds = 2 * kWakes;

// Keeps the CPU and the worker.
inline void stay_busy_until(std::int64_t end_ns) {
  while (monotonic_ns() < end_ns) {
  }
}

// What the wakes took, for whom they woke and for who called.
class WakeTimes {
 public:
  void record(std::int64_t called_ns, std::int64_t returned_ns, std::int64_t running_ns) {
    check(called_ns <= running_ns, "nobody runs before it is woken");
    woken_.record(running_ns - called_ns);
    waker_.record(returned_ns - called_ns);
  }

  bool complete() const { return woken_.total() == kWakes; }

  void print() const {
    check(complete(), "every wake was recorded");
    std::printf("{\"p50\": %.2f, \"p99\": %.2f, \"waker_p50\": %.2f, \"waker_p99\": %.2f}\n",
                us(woken_, 0.5), us(woken_, 0.99), us(waker_, 0.5), us(waker_, 0.99));
  }

 private:
  static double us(const Histogram& ns, double quantile) {
    return static_cast<double>(ns.quantile(quantile)) / 1e3;
  }

  Histogram woken_;
  Histogram waker_;
};

}  // namespace bench
