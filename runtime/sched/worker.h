#pragma once

// A worker: one thread that runs fibers. Fibers switch directly to one another; the worker's own
// stack runs when there is none to switch to, and every 61st turn, to look after timers, the driver
// and the injector. It sleeps only there: a fiber's stack may be wanted by another worker.

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include <weft/detail/thread_pointer.h>
#include "base/assert.h"
#include "base/chaos.h"
#include "base/rng.h"
#include "base/worker_party.h"
#include "fiber/fiber.h"
#include "fiber/fiber_pool.h"
#include "fiber/stack_pool.h"
#include "sched/aging.h"
#include "sched/driver.h"
#include "sched/haul.h"
#include "sched/idle.h"
#include "sched/inbox.h"
#include "sched/injector.h"
#include "sched/lifo_slot.h"
#include "sched/offers.h"
#include "sched/parker.h"
#include "sched/run_queue.h"
#include "sched/spawn_deque.h"
#include "sched/spawn_stack.h"
#include "sched/stats.h"
#include "sched/wait.h"
#include "time/ticks.h"
#include "time/timer_queue.h"

namespace weft::detail {

class Scheduler;
class Worker;

/// A timer that is armed late, if at all: see Worker::arm_late().
struct LateTimer : Timer {
  using Timer::Timer;

  Nanos due = kNever;  // until it is armed, from `begun` on, if that is not zero
  Ticks begun = 0;
  LateTimer* outer = nullptr;
  Worker* keeper = nullptr;  // while it is to be armed
};

class Worker {
 public:
  Worker(Scheduler& scheduler, unsigned index);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// The thread's body: runs fibers until the scheduler stops.
  void run();

  // -- From a fiber that runs here; it may come back on another worker, where `this` is stale.

  Wake suspend(Arm arm, void* argument, Cancellable cancellable);
  Wake suspend_until(Nanos deadline, Arm arm, void* argument, Cancellable cancellable);
  /// Takes `child` from its queue, if it is all that is left of what was spawned with it, and would
  /// run next if the caller waited for its end.
  bool take_to_run_at_once(const Fiber& child) noexcept;
  /// Waits for the end of such a fiber by running it here and now. Most end before they stop for
  /// the first time: then the caller goes on, and its wait was shown to nobody who could end it,
  /// but for who cancels it.
  Wake run_at_once(Fiber& child, HeldWait& wait);
  /// Shows the wait of whoever waits in this way for the fiber that runs, as `only`, if given.
  void show_wait(const Fiber* only = nullptr) noexcept {
    if (held_ != nullptr && (only == nullptr || held_ == only)) [[unlikely]]
      show_held();
  }
  /// Arms the timer here when the fiber that runs gives way for the next time, which comes to the
  /// same: while it runs nobody else does here. Most time limits are over by then. The last that is
  /// given is the first to be cancelled. Throws std::bad_alloc.
  void arm_late(LateTimer& timer) {
    timers_.reserve(late_count_ + 1);
    timer.outer = std::exchange(late_, &timer);
    timer.keeper = this;
    ++late_count_;
  }
  /// Afterwards such a timer will not fire, or has fired.
  static void cancel_late(LateTimer& timer) noexcept {
    Worker* const keeper = timer.keeper;
    if (keeper == nullptr) {
      TimerQueue::cancel(timer);
      return;
    }
    WEFT_ASSERT(keeper->late_ == &timer, "time limits end from the inside out");
    keeper->late_ = timer.outer;
    --keeper->late_count_;
    timer.keeper = nullptr;
  }
  /// Arms them now.
  void settle_late() noexcept {
    if (late_ != nullptr) [[unlikely]]
      arm_late_timers();
  }
  /// Comes back when others have run, if there are any. True when a cancellation was delivered.
  bool yield();
  /// The same of a task, which throws: its yield() jumps here, and needs no frame.
  void yield_or_throw();
  /// True once the turn's operations are spent.
  bool charge() noexcept { return --budget_ <= 0 || chaos::strikes(chaos::Kind::kTurn, 8); }

  // -- On this worker's thread.

  Fiber& current() const noexcept { return *current_.load(std::memory_order_relaxed); }
  bool runs_fiber() const noexcept { return &current() != &root_; }
  /// Whether a cancellation may be thrown at the fiber that runs here: not while an exception
  /// unwinds its stack, nor in destructors that the runtime calls.
  bool may_throw() const noexcept {
    return static_cast<unsigned>(exceptions_->uncaught) == 0 && current().masks == 0;
  }
  /// Takes a pending cancellation of the running fiber, where one may be thrown.
  bool take_cancellation() noexcept {
    Fiber& self = current();
    if (!self.word.cancel_pending() || !may_throw() || !self.word.take_pending()) return false;
    ++self.cancellations;
    return true;
  }
  Scheduler& scheduler() const noexcept { return scheduler_; }
  bool is_alone() const noexcept { return alone_; }  // its scheduler has no other worker
  unsigned index() const noexcept { return index_; }
  TimerQueue& timers() noexcept { return timers_; }
  FiberCache& fibers() noexcept { return fibers_; }
  /// An id for a new fiber, unique in the process. Taken in blocks: one shared counter would be
  /// written by every spawn.
  std::uint64_t next_id() noexcept {
    if (next_id_ == last_id_) take_ids();
    return ++next_id_;
  }

  /// A fiber that waited is about to be made runnable here.
  void note_woken(const Fiber& fiber) noexcept;
  /// Makes it so.
  void ready(Fiber& fiber) noexcept;
  /// The same, but behind those that it has spawned and that have not started.
  void ready_behind_group(Fiber& fiber) noexcept;
  /// Queues a fiber that has never run.
  void start(Fiber& fiber) noexcept;
  /// Counts it awake again, if it is not: who is asleep changes no word.
  void stop_sleeping() noexcept;

  // -- From anyone.

  void send(Fiber& fiber) noexcept { inbox_.push(fiber); }
  void unpark() noexcept;
  /// More than the one fiber that the owner will run next.
  bool has_spare() const noexcept {
    return ring_.size() + spawned_.count() + (lifo_waits() ? 1 : 0) > 1;
  }
  /// Likewise, of those that are published.
  bool has_spare_ready() const noexcept { return ring_.size() + (lifo_waits() ? 1 : 0) > 1; }
  bool has_queued() const noexcept { return !ring_.empty() || !spawned_.empty(); }
  /// What runs here, for reports; it may have ended meanwhile.
  Fiber* observed() const noexcept { return current_.load(std::memory_order_relaxed); }
  const Fiber* root() const noexcept { return &root_; }
  WorkerStats& stats() noexcept { return stats_; }
  bool lifo_waits() const noexcept { return lifo_.waits(); }
  /// Tells the worker that others could use what it does not offer.
  void encourage_offers() noexcept { robbed_.store(kAllSites, std::memory_order_relaxed); }
  Nanos next_deadline() const noexcept { return timers_.next_deadline(); }

 private:
  struct WaitTimer;
  using Parting = void (*)(Worker& here, Fiber& previous);

  // switch.h, switch.cc: one switch, and the two ends of a fiber.
  bool give_way();
  Worker& switch_to(Fiber& next, Parting parting, bool ends = false);  // returns where it is then
  void land(Context from) noexcept;
  static void fiber_main(Transfer arrival);
  [[noreturn]] static void run_fibers(Fiber& first);
  void inherit(Fiber& finished, Fiber& next) noexcept;
  void retire(Fiber& fiber) noexcept;
  Fiber& with_stack(Fiber& fiber) noexcept;  // the root when there is no memory for one
  Fiber& give_stack(Fiber& fiber) noexcept;
  Fiber& look_for_stack(Fiber& fiber) noexcept;
  Fiber& set_up(Fiber& fiber, Stack& stack) noexcept;
  void learn_own_thread() noexcept;
  void run_until_root_lands(Fiber& next);
  static void nothing(Worker&, Fiber&) {}
  static void requeue(Worker& here, Fiber& previous);
  static void requeue_in_batch(Worker& here, Fiber& previous);
  Wake suspend_with(Parting parting, Arm arm, void* argument, Cancellable cancellable);
  static void put_to_sleep(Worker& here, Fiber& previous);
  static void put_to_sleep_until(Worker& here, Fiber& previous);
  static void stay_awake(Worker& here, Fiber& previous, Arm arm, void* argument);
  static void bury(Worker& here, Fiber& previous);
  static void bury_with_care(Worker& here, Fiber& previous, Stack* stack);
  void free_and_count(Fiber& abandoned) noexcept;
  static Wake told(Fiber& self) noexcept;
  static void hold(Worker& here, Fiber& previous);
  bool claim_held(Fiber& waiter) noexcept;
  Fiber& after_end() noexcept;
  void show_held() noexcept;
  void arm_late_timers() noexcept;

  // worker_inline.h and worker.cc: choosing what runs next.
  void take_ids() noexcept;
  Fiber& pick() noexcept;  // with a stack; the root when nothing is ready, or housekeeping is due
  Fiber& pick_raw() noexcept;  // may have no stack yet
  Fiber* next_local() noexcept;
  Fiber* next_after_inbox() noexcept;
  Fiber* next_unpinned() noexcept;
  Fiber* next_alone() noexcept;
  Fiber* next_at_last() noexcept;
  Fiber* next_among_others() noexcept;
  Fiber* next_in_order() noexcept;
  Fiber* next_with_own() noexcept;
  bool lifo_goes_first() const noexcept {
    return lifo_.waits() && lifo_run_ < kLifoInARow && !chaos::strikes(chaos::Kind::kQueue, 4);
  }
  void take_inbox() noexcept;
  void start_among_others(Fiber& fiber) noexcept;
  void start_in_order(Fiber& fiber) noexcept;
  bool starts_go_first() noexcept;
  void enqueue(Fiber& fiber) noexcept;
  void enqueue_pinned(Fiber& fiber) noexcept;
  void enqueue_behind_all(Fiber& fiber) noexcept;
  void spill(Fiber& fiber) noexcept;
  void notify() noexcept;
  bool has_lone() const noexcept { return ring_.count() == 1; }
  void offer(Offers::Site site) noexcept;
  static Offers::Site birthplace(const Fiber& fiber) noexcept;
  void learn_of_theft() noexcept;
  void call_for(Offers::Site site) noexcept;
  bool wake_another() noexcept;  // false: nobody is to be woken

  // housekeeping.cc: on the worker's own stack.
  void housekeeping();
  void begin_round() noexcept;
  void begin_pacing() noexcept;
  void note_timer() noexcept;
  bool may_leave_driver(bool timers_due) noexcept;
  void poll_driver() noexcept;
  void deliver() noexcept;
  void age_unstarted() noexcept;
  Fiber* take_due() noexcept;
  void fail_starved() noexcept;
  void note_departure() noexcept;
  Nanos note_return() noexcept;
  void relieve_others(Nanos time) noexcept;
  void relieve(Worker& victim) noexcept;
  void take_up(Fiber& stolen) noexcept;
  void pace(Nanos round) noexcept;

  // find_work.cc: likewise.
  Fiber* find_work();
  Fiber* found(Fiber* fiber) noexcept;
  Fiber* take_injected() noexcept;
  Fiber* search() noexcept;
  Fiber* stir() noexcept;
  Fiber* steal_round(Nanos now) noexcept;
  Fiber* steal_from(Worker& victim, Nanos now) noexcept;
  Fiber* steal_spawned(Worker& victim, bool by_force) noexcept;
  void weigh_haul() noexcept;
  void note_companion(const Fiber& woken) noexcept;
  bool has_ripened(const Worker& victim, Nanos now) noexcept;
  bool rescue() noexcept;
  void take_over(Worker& victim) noexcept;
  void take_events(Worker& victim) noexcept;
  Fiber* take_from_stuck(Worker& victim, Nanos now) noexcept;
  Fiber* take_lone(Worker& victim, bool even_unstarted) noexcept;
  bool seems_stuck(Worker& victim, Nanos now) noexcept;

  // park.cc: likewise.
  Fiber* spin() noexcept;
  void park();
  bool must_stay_awake(bool last_searcher) noexcept;
  bool sees_unstarted() noexcept;
  Nanos trim_time() const noexcept;

  static constexpr int kTurnsBetweenHousekeeping = 61;
  static constexpr int kOperationsPerTurn = 128;
  static constexpr int kLifoInARow = 3;
  static constexpr int kStartsInARow = 32;
  static constexpr std::size_t kInjectedAtOnce = 32;
  // A worker that has not switched for this long counts as stuck. So long it has its unstarted
  // fibers to itself, at least: most are over before.
  static constexpr Nanos kPatience = 5'000;
  static constexpr Offers::Site kAllSites = ~Offers::Site{0};

  // -- The switch; only this thread, but for `current_`, which others may look at.
  Atomic<Fiber*> current_{&root_};
  Fiber* previous_ = nullptr;
  Parting parting_ = &nothing;
  Arm arm_ = nullptr;
  void* arm_argument_ = nullptr;
  WaitTimer* arm_timer_ = nullptr;
  Nanos arm_deadline_ = 0;
  Cancellable cancellable_ = Cancellable::kYes;
  Fiber* held_ = nullptr;      // waits for the fiber that runs, which does not know yet
  Epoch held_epoch_ = 0;       // of that wait, where there are other workers
  LateTimer* late_ = nullptr;  // of the fiber that runs; the innermost
  HeldWait* held_wait_ = nullptr;
  unsigned late_count_ = 0;
  bool alone_ = false;      // the only worker: no thieves, no barriers
  bool fifo_ = false;       // strict order: no LIFO slot
  bool batching_ = false;   // many become ready at once: queue them in order, wake one worker once
  bool batched_ = false;    // such fibers were queued, and nobody woken yet
  bool crowded_ = false;    // more are ready than the rings hold
  bool searching_ = false;  // counted by Idle as a searcher
  bool asleep_ = false;     // counted by Idle as such, but for whom another has picked
  Idle::Left left_ = Idle::Left::kByItself;  // the last time
  int* errno_ = nullptr;
  ExceptionState* exceptions_ = nullptr;
  int turns_left_ = kTurnsBetweenHousekeeping;
  // From one housekeeping to the next, where there is something to look after.
  int turns_in_round_ = kTurnsBetweenHousekeeping;
  int turns_given_ = kTurnsBetweenHousekeeping;  // to the round that it is in
  bool paced_ = false;                           // nobody knows yet how long they take
  int budget_ = kOperationsPerTurn;
  int lifo_run_ = 0;
  int starts_run_ = 0;
  bool others_turn_ = false;       // not that of pinned fibers
  std::uint64_t injected_at_ = 0;  // the count of turns when the injector last gave one
  Offers offers_;
  std::uint64_t next_id_ = 0;
  std::uint64_t last_id_ = 0;
  OwnQueue own_;          // pinned fibers; where there is no other worker, all that have started
  SpawnStack unstarted_;  // where there is no other worker
  OwnQueue starved_;      // fibers for which there was no stack
  FiberCache fibers_;
  WorkerParty party_;

  Scheduler& scheduler_;
  const unsigned index_;
  Fiber root_;

  // -- Shared with thieves.
  alignas(64) LifoSlot<Fiber> lifo_;
  RunQueue<Fiber> ring_;       // fibers that have become ready again
  SpawnDeque<Fiber> spawned_;  // fibers that have not started
  // Of what a thief has taken some, one more than its site; by the monitor: kAllSites. Taken by the
  // owner; a hint. See offer().
  Atomic<Offers::Site> robbed_{0};
  Inbox inbox_;
  Parker parker_;
  WorkerStats stats_;

  // -- Only this thread.
  alignas(64) StackCache stacks_;
  Injector<Fiber>::Port port_;
  TimerQueue timers_;  // cancelled from anywhere, under its own lock
  std::vector<Ready> events_;
  Rng rng_;
  // When each victim was last seen to move on, and since when it has had fibers to spare that have
  // not started.
  struct Sighting {
    std::uint64_t turns = 0;
    Nanos since = 0;
    std::uint32_t times_emptied = 0;
    Nanos spare_since = kNever;
  };
  std::vector<Sighting> sightings_;
  Haul haul_;
  bool ripening_ = false;      // some victim has such, but not for long
  bool looked_again_ = false;  // for such, since it found work
  Nanos spin_budget_;
  unsigned parks_until_probe_ = 0;
  unsigned polls_skipped_ = 0;
  bool has_timers_ = false;   // had, at the last housekeeping: one that is gone is soon armed again
  bool has_driver_ = false;   // the same of the driver, which may have told of the last it had
  bool just_polled_ = false;  // on the way to sleep
  bool left_driver_ = false;  // at the last housekeeping
  Nanos away_since_ = kNever;   // from timers and the driver, while it runs fibers
  unsigned calls_left_ = 0;     // so many times more it calls somebody in its stead
  Nanos looked_at_others_ = 0;  // to relieve who stands still
  unsigned rounds_without_look_ = 0;
  unsigned watched_;  // the one that it looks at, and how many turns that had made then
  std::uint64_t watched_turns_ = ~std::uint64_t{0};
  Aging aging_;            // of those that have not started
  std::uint32_t due_ = 0;  // at most so many, at the bottom of `spawned_`
  bool trimmed_ = true;    // the stacks, since fibers ran here last
};

/// An id for a fiber that is made by a plain thread.
std::uint64_t next_outside_id() noexcept;

/// The worker whose thread this is, or null. Read only by the next.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local Worker* t_worker asm(
    "weft_t_worker");
/// Asked anew after whatever may suspend: a fiber may resume on another thread.
#if WEFT_READS_THREAD_POINTERS
[[gnu::always_inline]] inline Worker* current_worker() noexcept {
  WEFT_RETURN_THREAD_POINTER(Worker*, "weft_t_worker");
}
#else
[[gnu::noinline]] Worker* current_worker() noexcept;
#endif

}  // namespace weft::detail
