#include "sched/monitor.h"

#include <pthread.h>

#include <string>

#include "base/chaos.h"
#include "base/futex.h"
#include "sched/scheduler.h"
#include "sched/worker.h"
#include "time/clock.h"

namespace weft::detail {

Monitor::Monitor(Scheduler& scheduler)
    : scheduler_(scheduler), watches_(scheduler.worker_count()), thread_([this] { run(); }) {
  const std::string name = scheduler.options().name.substr(0, 11) + "-mon";
  ::pthread_setname_np(thread_.native_handle(), name.c_str());
}

Monitor::~Monitor() {
  state_.store(kStopped, std::memory_order_seq_cst);
  futex_wake(state_, 1);
  thread_.join();
}

void Monitor::rouse() noexcept {
  std::uint32_t expected = kAsleep;
  if (state_.compare_exchange_strong(expected, kWatching, std::memory_order_seq_cst)) {
    futex_wake(state_, 1);
  }
}

void Monitor::run() {
  int quiet_looks = 0;
  int looks_until_prepared = kLooksBeforePrepared;
  for (;;) {
    std::uint32_t state = state_.load(std::memory_order_seq_cst);
    if (state == kStopped) return;
    if (state == kAsleep) {
      futex_wait(state_, kAsleep);
      continue;
    }
    if (looks_until_prepared > 0 && --looks_until_prepared == 0) scheduler_.prepare_solo();
    const Nanos time = now();
    learn_ticks();
    quiet_looks = look(time) ? 0 : quiet_looks + 1;
    if (quiet_looks >= kQuietLooks) {
      quiet_looks = 0;
      const auto on_quiet = scheduler_.options().on_quiet;
      if (on_quiet != nullptr && !told_quiet_) told_quiet_ = on_quiet(scheduler_);
      state_.compare_exchange_strong(state, kAsleep, std::memory_order_seq_cst);
      // A second look: a worker that has woken meanwhile counts as awake, and has then found the
      // monitor awake still. (Dekker; with note_activity.)
      if (scheduler_.idle().awake() > 0) rouse();
    } else {
      futex_wait(state_, kWatching, time + kPeriod);
    }
  }
}

// True when any worker has shown a sign of life since the last look, or is at work.
bool Monitor::look(Nanos time) {
  bool active = scheduler_.idle().awake() > 0;
  for (unsigned i = 0; i < scheduler_.worker_count(); ++i) {
    Worker& worker = scheduler_.worker(i);
    Watch& watch = watches_[i];
    const std::uint64_t turns = worker.stats().turns.read() - watch.turns;
    // Long turns: whatever the worker thinks of it, others would be of use.
    if (turns < kBriskTurns) {
      worker.encourage_offers();
      if (worker.has_spare()) scheduler_.wake_one();
    }
    if (turns != 0) {
      active = true;
      watch = {watch.turns + turns, time, false};
    } else if (worker.observed() == worker.root()) {
      watch.since = time;  // at rest; who runs next has not run all the while
    } else {
      report(worker, watch, time);
    }
    if (needs_rescue(worker, time - watch.since, time)) scheduler_.rescue(i);
  }
  if (active) scheduler_.watch_driver();
  return active;
}

// Stuck in a fiber, with others behind it; or so slow that its timers are late.
bool Monitor::needs_rescue(const Worker& worker, Nanos stuck, Nanos time) const {
  if (chaos::strikes(chaos::Kind::kWake, 4)) return true;
  if (worker.observed() == worker.root()) return false;
  const Nanos deadline = worker.next_deadline();
  if (deadline < time - kPeriod) return true;
  return stuck >= kPeriod && (worker.lifo_waits() || worker.has_queued() ||
                              scheduler_.driver().has_waiting(worker.index()));
}

void Monitor::report(Worker& worker, Watch& watch, Nanos time) {
  const SchedulerOptions& options = scheduler_.options();
  const Fiber* const fiber = worker.observed();
  const Nanos stuck = time - watch.since;
  if (watch.reported || options.on_slow == nullptr || stuck < options.slow_after) return;
  if (fiber == worker.root()) return;
  watch.reported = true;
  options.on_slow(*fiber, stuck);
}

}  // namespace weft::detail
