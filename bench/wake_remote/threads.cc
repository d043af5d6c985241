// The floor of the wake_remote workload: a thread wakes another by a futex. That it slept is told
// by its voluntary context switches.

#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "support/check.h"
#include "wake_times.h"

namespace {

using bench::check;

std::atomic<std::uint32_t> turn = 0;    // the round whose wake has been called
std::atomic<int> rounds = 0;            // times that the sleeper is about to wait
std::atomic<bool> slept = false;        // then, before
std::atomic<std::int64_t> running = 0;  // when it ran again; 0 before the wake
std::atomic<bool> over = false;

void futex(int operation, std::uint32_t value) {
  syscall(SYS_futex, &turn, operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

long sleeps_of_this_thread() {
  rusage usage{};
  check(getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage");
  return usage.ru_nvcsw;
}

void sleep_and_wake() {
  for (std::uint32_t round = 0; !over.load(); ++round) {
    const long sleeps = sleeps_of_this_thread();
    rounds.fetch_add(1);
    while (turn.load() == round) futex(FUTEX_WAIT, round);
    const std::int64_t now = bench::monotonic_ns();
    slept = sleeps_of_this_thread() > sleeps;
    running = now;
  }
}

void wake() {
  turn.fetch_add(1);
  futex(FUTEX_WAKE, 1);
}

}  // namespace

int main() {
  bench::WakeTimes times;
  std::thread sleeper(sleep_and_wake);
  for (int round = 1; !times.complete(); ++round) {
    check(round <= bench::kMostRounds, "it sleeps most times");
    while (rounds.load() < round) {
    }
    bench::stay_busy_until(bench::monotonic_ns() + bench::kSettleNs);
    running = 0;
    const std::int64_t called = bench::monotonic_ns();
    wake();
    const std::int64_t returned = bench::monotonic_ns();
    while (running.load() == 0) {
    }
    if (slept.load()) times.record(called, returned, running.load());
  }
  over = true;
  wake();
  sleeper.join();
  times.print();
}
