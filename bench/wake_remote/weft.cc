// A fiber is woken that is pinned to another worker, which sleeps. The waker keeps its own worker
// busy meanwhile, so what the runtime counts as parked is the other one; the waker waits for that.

#include <weft/weft.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "support/check.h"
#include "support/clock.h"
#include "wake_times.h"

namespace {

struct Sleeper {
  weft::Event wake;
  std::atomic<std::thread::id> thread;
  std::atomic<int> rounds = 0;               // times that it is about to wait
  std::atomic<std::uint64_t> parks = 0;      // of its worker until then
  std::atomic<std::int64_t> running_ns = 0;  // when it ran again; 0 before the wake

  void run() {
    const weft::PinScope stay;
    thread = std::this_thread::get_id();
    for (int i = 0; i < bench::kWakes; ++i) {
      parks = weft::metrics().parks;
      rounds.fetch_add(1);
      wake.wait();
      running_ns = bench::monotonic_ns();
      wake.clear();
    }
  }
};

void wake_and_time(Sleeper& sleeper, bench::WakeTimes& times) {
  while (weft::metrics().parks == sleeper.parks.load()) {
  }
  bench::stay_busy_until(bench::monotonic_ns() + bench::kSettleNs);
  sleeper.running_ns = 0;
  const std::int64_t called = bench::monotonic_ns();
  sleeper.wake.set();
  const std::int64_t returned = bench::monotonic_ns();
  while (sleeper.running_ns.load() == 0) {
  }
  times.record(called, returned, sleeper.running_ns.load());
}

}  // namespace

int main() {
  weft::run(weft::Options{.workers = 2}, [] {
    const weft::PinScope stay;
    Sleeper sleeper;
    bench::WakeTimes times;
    auto task = weft::spawn([&sleeper] { sleeper.run(); });
    for (int round = 1; round <= bench::kWakes; ++round) {
      while (sleeper.rounds.load() < round) {
      }
      wake_and_time(sleeper, times);
    }
    bench::check(sleeper.thread.load() != std::this_thread::get_id(), "it is another worker");
    task.get();
    times.print();
  });
}
