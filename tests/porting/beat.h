#pragma once

// How well a fiber that wakes every 10 ms keeps its time while others are at work: it is late when
// somebody keeps the worker.

#include <gtest/gtest.h>
#include <pthread.h>
#include <weft/gather.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/task_group.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "core_wait.h"
#include "server.h"
#include "support/cpu_time.h"

namespace porting {

using Clock = std::chrono::steady_clock;
using Millis = std::chrono::duration<double, std::milli>;

/// How late, in milliseconds.
struct Lateness {
  double p50 = 0, p99 = 0, worst = 0;

  static Lateness of(std::vector<double> late) {
    std::sort(late.begin(), late.end());
    const auto at = [&](double part) {
      return late.empty() ? 0.0 : late[static_cast<std::size_t>(part * double(late.size() - 1))];
    };
    return {.p50 = at(0.5), .p99 = at(0.99), .worst = at(1)};
  }
};

struct Beat {
  Lateness all;
  Lateness ours;       ///< without what the kernel kept the threads waiting for a core
  Lateness blocked;    ///< nor while they ran: nobody's turn, and nobody's work
  double starved = 0;  ///< which part of the time a thread waited for a core
  double total = 0;
  double cpu = 0;  ///< of all threads here
};

/// Sleeps by `sleep_until` from one beat to the next until told to stop. A beat that is missed
/// makes those after it late, too.
template <class Sleep>
Beat keep_beat(const std::atomic<bool>& stop, const std::string& threads, Sleep sleep_until) {
  constexpr auto kBeat = std::chrono::milliseconds(10);
  std::vector<double> all, ours, blocked;
  CoreWait wait(threads);
  const auto cpu = support::cpu_time(CLOCK_PROCESS_CPUTIME_ID);
  const auto start = Clock::now();
  for (auto next = start + kBeat; !stop; next += kBeat) {
    sleep_until(next);
    all.push_back(Millis(Clock::now() - next).count());
    const CoreWait::Spans spans = wait.since(next);
    ours.push_back(std::max(0.0, all.back() - Millis(spans.waited).count()));
    blocked.push_back(std::max(0.0, all.back() - Millis(spans.waited_or_ran).count()));
  }
  const double total = Millis(Clock::now() - start).count();
  return {.all = Lateness::of(all),
          .ours = Lateness::of(ours),
          .blocked = Lateness::of(blocked),
          .starved = Millis(wait.waited()).count() / total,
          .total = total,
          .cpu = Millis(support::cpu_time(CLOCK_PROCESS_CPUTIME_ID) - cpu).count()};
}

/// `work(number)` in `count` fibers, and the beat beside them.
template <class Work>
Beat beat_beside_fibers(int count, Work work) {
  return weft::run([&] {
    std::atomic<bool> stop{false};
    auto beat = weft::spawn([&] {
      return keep_beat(stop, "weft", [](Clock::time_point next) { weft::sleep_until(next); });
    });
    weft::task_group([&](weft::TaskGroup& group) {
      for (int i = 0; i < count; ++i) group.spawn([&work, i] { work(i); });
    });
    stop = true;
    return beat.get();
  });
}

/// The same with a thread for each.
template <class Work>
Beat beat_beside_threads(int count, Work work) {
  std::atomic<bool> stop{false};
  Beat beat;
  std::thread beating([&] {
    ::pthread_setname_np(::pthread_self(), "beat");
    beat = keep_beat(stop, "beat",
                     [](Clock::time_point next) { std::this_thread::sleep_until(next); });
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&work, i] { work(i); });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  beating.join();
  return beat;
}

inline void show(const std::string& what, const Beat& beat) {
  std::printf(
      "== %s: %.0f ms, CPU %.0f ms; the beat is late by p50 %.2f, p99 %.2f, worst %.2f ms; ",
      what.c_str(), beat.total, beat.cpu, beat.all.p50, beat.all.p99, beat.all.worst);
  std::printf(
      "waits for a core (%.0f %%) aside: p50 %.2f, p99 %.2f, worst %.2f ms; blocked: %.2f ms\n",
      100 * beat.starved, beat.ours.p50, beat.ours.p99, beat.ours.worst, beat.blocked.worst);
  std::fflush(stdout);
}

/// Whether no call has blocked a worker, and no fiber kept it for long. Where others take the
/// cores, many fibers become ready at a time, and each waits for those before it: then only the
/// first can be told. Where the servers do not, it is also to come in time as it stands.
inline bool is_kept(const Beat& beat) {
  const auto in_time = [](const Lateness& late) { return late.p99 < 20 && late.worst < 100; };
  return in_time(beat.blocked) && (beat.starved > 0.2 || in_time(beat.ours)) &&
         (beat.all.p99 < 20 || !go_before_servers());
}

/// That the beat is kept, in two of three runs. `run()` does the work once.
template <class Run>
void expect_beat(const std::string& what, Run run) {
  int well = 0;
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const Beat beat = run();
    show(what, beat);
    if (::testing::Test::HasFailure()) return;
    if (is_kept(beat)) ++well;
    if (well == 2 || attempt - well == 2 || (attempt == 1 && well == 1)) break;
  }
  EXPECT_GE(well, 1) << "a fiber that does nothing but sleep was kept waiting";
}

}  // namespace porting
