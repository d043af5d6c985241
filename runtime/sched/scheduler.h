#pragma once

// The workers of one runtime and what they share.

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/party.h"
#include "fiber/stack_pool.h"
#include "sched/census.h"
#include "sched/driver.h"
#include "sched/idle.h"
#include "sched/injector.h"
#include "sched/stats.h"
#include "sched/worker.h"

namespace weft::detail {

class BlockingPool;
class Monitor;
class Reactor;
struct LostExceptionHandler;

struct SchedulerOptions {
  unsigned workers = 1;
  bool strict_fifo = false;  ///< No LIFO slot: fibers run in the order in which they became ready.
  bool spin = true;          ///< One worker spins before it sleeps.
  bool spin_yields = false;  ///< And lets others have the processor meanwhile.
  std::string name = "weft";
  std::uint8_t stack_class = 0;  ///< Of fibers that ask for no size.
  /// Called when a worker has been in one fiber for `slow_after`, once for each time; null: nobody
  /// is told.
  Nanos slow_after = 100'000'000;
  void (*on_slow)(const Fiber&, Nanos) = nullptr;
  /// Called when nothing has moved for a second, until it returns true; null: nobody is told.
  bool (*on_quiet)(Scheduler&) = nullptr;
};

/// What upper layers find through the scheduler of the fiber that calls them. Set by the
/// composition root before the first fiber runs; the scheduler itself uses none of it.
struct Services {
  Reactor* reactor = nullptr;
  Atomic<BlockingPool*> blocking{nullptr};  // null again when the runtime ends
  const LostExceptionHandler* lost_exceptions = nullptr;
};

/// Called on the thread of each worker, before it runs fibers and after.
struct WorkerWatch {
  void (*begins)(Worker&) noexcept;
  void (*ends)(Worker&) noexcept;
};
/// For libraries above, before the first scheduler of the process starts. `watch` stays for ever.
void watch_workers(const WorkerWatch& watch) noexcept;

/// Sums over the workers.
struct SchedulerStats {
  std::uint64_t switches = 0, spawned = 0, finished = 0, steals = 0, parks = 0, wakes = 0,
                polls = 0;
};

class Scheduler {
 public:
  /// The scheduler of the fiber that calls; null on any other thread.
  static Scheduler* current() noexcept;

  /// Starts the workers. The driver outlives the scheduler.
  Scheduler(SchedulerOptions options, Driver& driver);
  ~Scheduler();  ///< Every fiber has ended. Stops the workers and joins them.
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // -- Fibers, from any thread.

  /// Takes on a fiber that has never run.
  void start(Fiber& fiber) noexcept;
  /// Takes on a fiber that has never run, and waits: it does as soon as it is woken.
  void start_asleep(Fiber& fiber) noexcept;
  /// Makes a fiber runnable whose wait the caller, no worker of this scheduler, has ended.
  void ready_from_outside(Fiber& fiber) noexcept;
  void send_home(Fiber& fiber) noexcept;

  // -- The end.

  /// Cancels every fiber and waits until all have ended, those too that they start meanwhile.
  void cancel_all_and_wait();

  // -- For workers.

  unsigned worker_count() const noexcept { return options_.workers; }
  Worker& worker(unsigned index) noexcept { return *workers_[index]; }
  StackDepot& stacks() noexcept { return stacks_; }
  Injector<Fiber>& injector() noexcept { return injector_; }
  Idle& idle() noexcept { return idle_; }
  Census& census() noexcept { return census_; }
  Driver& driver() noexcept { return driver_; }
  Services& services() noexcept { return services_; }
  bool strict_fifo() const noexcept { return options_.strict_fifo; }
  Nanos spin_limit() const noexcept { return options_.spin ? kSpinLimit : 0; }
  bool spin_yields() const noexcept { return options_.spin_yields; }
  bool may_be_solo() const noexcept { return static_cast<bool>(solo_right_); }
  void prepare_solo() const noexcept { solo_right_.prepare(); }
  bool stopping() const noexcept { return stopping_.load(std::memory_order_seq_cst); }
  /// Whether a worker that wakes now finds something. A lone fiber in a run queue does not count.
  bool has_work() const noexcept;
  /// The same of what was published to sleepers: that has to be found.
  bool has_published_work() const noexcept;
  void note_activity() noexcept;  // by a worker that wakes
  bool begin_spin() noexcept { return !spinning_.exchange(true, std::memory_order_acquire); }
  void end_spin() noexcept { spinning_.store(false, std::memory_order_release); }
  /// Whether there are workers to be rescued, for whoever asks first, who takes them all.
  bool take_rescue() noexcept {
    return rescue_.load(std::memory_order_relaxed) &&
           rescue_.exchange(false, std::memory_order_acq_rel);
  }
  bool take_stuck(unsigned worker) noexcept {
    return stuck_[worker].load(std::memory_order_relaxed) &&
           stuck_[worker].exchange(false, std::memory_order_acq_rel);
  }

  // -- For the monitor and for reports.

  /// Has somebody take over what waits for a worker that is stuck: one that sleeps, which is woken,
  /// or else the next that looks after timers and the driver.
  void rescue(unsigned stuck) noexcept;
  /// Wakes a worker, if one sleeps, to watch the driver, if nobody does.
  void watch_driver() noexcept;
  /// Wakes a worker for what is queued, if one sleeps and nobody searches.
  void wake_one() noexcept;
  /// Wakes a worker, if one sleeps, although nothing was published.
  void wake_any() noexcept;
  SchedulerStats stats() const noexcept;
  const SchedulerOptions& options() const noexcept { return options_; }

 private:
  // The cost of waking a sleeping thread, 20 to 40 us where this was written.
  static constexpr Nanos kSpinLimit = 50'000;
  static constexpr Nanos kMillisecond = 1'000'000;
  static constexpr Nanos kSecond = 1'000'000'000;

  static constexpr std::size_t kLeastRound = 64;

  void run_worker(unsigned index);
  void inject(Fiber& fiber) noexcept;
  bool any_has(bool (Worker::*spare)() const noexcept) const noexcept;
  void cancel_round() noexcept;
  void cancel_if_ours(Fiber& fiber, std::uint64_t id) noexcept;
  void stop() noexcept;

  const SchedulerOptions options_;
  const SoloRight solo_right_;
  Driver& driver_;
  Services services_;
  StackDepot stacks_;
  Injector<Fiber> injector_;
  Idle idle_;
  Census census_;
  // One spins at a time: taken and left by workers.
  alignas(64) Atomic<bool> spinning_{false};
  // The workers that are stuck, and whether there are any: set by the monitor in this order, taken
  // by the worker that it wakes in the other.
  Atomic<bool> rescue_{false};
  std::vector<Atomic<bool>> stuck_;
  // Set once, by the destructor; a sleeping worker looks after it has announced itself. [wake]
  Atomic<bool> stopping_{false};
  // Cancelled, and to have ended before the next are. By who waits for all to end. There is room
  // for some from the beginning, for the end must not depend on memory.
  std::vector<NotedFiber> round_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
  std::unique_ptr<Monitor> monitor_;
};

}  // namespace weft::detail
