#pragma once

// Watches the workers from a thread of its own: a fiber that keeps a worker for long is named, and
// what waits behind it (its run queue is stolen anyway; its LIFO slot, its timers and the driver's
// events are not) is handed to a worker that sleeps. It looks every 10 ms while there is something
// to see, and sleeps when all workers do.

#include <cstdint>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "base/time.h"

namespace weft::detail {

class Scheduler;
class Worker;

class Monitor {
 public:
  explicit Monitor(Scheduler& scheduler);
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// By a worker that wakes: one load, unless the monitor has gone to sleep.
  void note_activity() noexcept {
    if (state_.load(std::memory_order_seq_cst) == kAsleep) rouse();
  }

 private:
  struct Watch {
    std::uint64_t turns = 0;
    Nanos since = 0;
    bool reported = false;
  };

  void run();
  bool look(Nanos time);
  void report(Worker& worker, Watch& watch, Nanos time);
  bool needs_rescue(const Worker& worker, Nanos stuck, Nanos time) const;
  void rouse() noexcept;

  static constexpr std::uint32_t kWatching = 0;
  static constexpr std::uint32_t kAsleep = 1;
  static constexpr std::uint32_t kStopped = 2;
  static constexpr Nanos kPeriod = 10'000'000;
  // Fewer switches than this in a period are slow ones: 4 us and more.
  static constexpr std::uint64_t kBriskTurns = 2500;
  // So many looks without a sign of life before it sleeps: a server that is asked once in a while
  // would otherwise pay for waking the monitor each time.
  static constexpr int kQuietLooks = 100;
  // Whoever ends a runtime may have to wait for the preparation: none is made for a short one.
  static constexpr int kLooksBeforePrepared = 20;

  Scheduler& scheduler_;
  std::vector<Watch> watches_;
  bool told_quiet_ = false;
  // Watching and Asleep by the monitor, which then looks whether a worker is awake; Watching by a
  // worker that rouses it, after it has counted itself awake; Stopped by the destructor.
  Atomic<std::uint32_t> state_{kWatching};
  std::thread thread_;
};

}  // namespace weft::detail
