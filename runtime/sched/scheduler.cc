#include "sched/scheduler.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "base/futex.h"
#include "fiber/fiber_pool.h"
#include "fiber/overflow.h"
#include "sched/monitor.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

bool describe_current(CurrentFiberInfo& info) noexcept {
  const Fiber* const fiber = current_fiber();
  if (fiber == nullptr || fiber->stack == nullptr) return false;
  info.stack = fiber->stack;
  info.id = fiber->id.load(std::memory_order_relaxed);
  info.name = fiber->name;
  info.file = fiber->file.load(std::memory_order_relaxed);
  info.line = fiber->line.load(std::memory_order_relaxed);
  info.function = fiber->function.load(std::memory_order_relaxed);
  return true;
}

}  // namespace

namespace {

// membarrier(2), as the rare side of an asymmetric Dekker.
void barrier_on_all_threads() noexcept {
  static const bool registered =
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  if (registered && ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0) return;
  // Refused: by a filter, or an old kernel. Every processor switches threads within this.
  ::usleep(20'000);
}

}  // namespace

class Scheduler::OutsideCall {
 public:
  explicit OutsideCall(Scheduler& scheduler) noexcept : calls_(scheduler.outside_calls_) {
    calls_.fetch_add(1, std::memory_order_acq_rel);
  }
  ~OutsideCall() { calls_.fetch_sub(1, std::memory_order_acq_rel); }
  OutsideCall(const OutsideCall&) = delete;
  OutsideCall& operator=(const OutsideCall&) = delete;

 private:
  Atomic<unsigned>& calls_;
};

Scheduler::Scheduler(SchedulerOptions options, Driver& driver)
    : options_(std::move(options)), driver_(driver), idle_(options_.workers) {
  workers_.reserve(options_.workers);
  for (unsigned i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i));
  }
  install_overflow_handler(&describe_current);
  try {
    monitor_ = std::make_unique<Monitor>(*this);
    for (unsigned i = 0; i < options_.workers; ++i) {
      threads_.emplace_back([this, i] { run_worker(i); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

Scheduler::~Scheduler() { stop(); }

Scheduler* Scheduler::current() noexcept {
  Worker* const here = current_worker();
  return here != nullptr ? &here->scheduler() : nullptr;
}

void Scheduler::stop() noexcept {
  while (outside_calls_.load(std::memory_order_acquire) != 0) ::sched_yield();
  stopping_.store(true, std::memory_order_seq_cst);
  for (auto& worker : workers_) worker->unpark();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  monitor_.reset();  // last: a worker that wakes looks at it
  remove_overflow_handler();
}

void Scheduler::run_worker(unsigned index) {
  const std::string name = options_.name.substr(0, 11) + "-w" + std::to_string(index % 100);
  ::pthread_setname_np(::pthread_self(), name.c_str());
  AlternateSignalStack signal_stack;
  workers_[index]->run();
}

// ---- Fibers.

void Scheduler::start(Fiber& fiber) noexcept {
  fiber.scheduler.store(this, std::memory_order_release);
  Worker* const here = current_worker();
  if (here != nullptr && &here->scheduler() == this) {
    here->start(fiber);
    return;
  }
  const OutsideCall call(*this);
  // Counted first: a fiber that has ended but not begun would let the runtime end too early.
  started_outside_.fetch_add(1, std::memory_order_seq_cst);
  if (fiber.pins > 0) {
    send_home(fiber);
  } else {
    inject(fiber);
  }
}

void Scheduler::ready_from_outside(Fiber& fiber) noexcept {
  const OutsideCall call(*this);
  if (fiber.pins > 0) {
    send_home(fiber);
  } else {
    inject(fiber);
  }
}

void Scheduler::send_home(Fiber& fiber) noexcept {
  // Read before the fiber is shown: afterwards it may run, unpin itself and pin itself elsewhere.
  Worker& home = *fiber.home;
  home.send(fiber);
  if (idle_.pick(home.index())) home.unpark();
}

void Scheduler::inject(Fiber& fiber) noexcept {
  try {
    injector_.push(&fiber);
  } catch (const std::bad_alloc&) {
    // Out of memory, but nothing is lost: an inbox needs none.
    fiber.home = workers_[0].get();
    send_home(fiber);
    return;
  }
  wake_one();
}

void Scheduler::wake_one() noexcept {
  const int sleeper = idle_.pick();
  if (sleeper != Idle::kNobody) workers_[static_cast<unsigned>(sleeper)]->unpark();
}

bool Scheduler::has_work() const noexcept {
  if (injector_.maybe_has_items()) return true;
  for (const auto& worker : workers_) {
    if (worker->has_spare()) return true;
  }
  return false;
}

void Scheduler::rescue(unsigned stuck) noexcept {
  const int sleeper = idle_.pick_any();
  if (sleeper == Idle::kNobody) return;  // those awake steal by themselves
  rescue_.store(static_cast<int>(stuck), std::memory_order_release);
  workers_[static_cast<unsigned>(sleeper)]->unpark();
}

void Scheduler::watch_driver() noexcept {
  if (!driver_.active() || !driver_.acquire(0)) return;
  driver_.release(0);
  wake_any();
}

void Scheduler::wake_any() noexcept {
  const int sleeper = idle_.pick_any();
  if (sleeper != Idle::kNobody) workers_[static_cast<unsigned>(sleeper)]->unpark();
}

// ---- The end.

// Ended fibers are counted before started ones. Whoever was started but has not ended is missing
// from the first sum; if the second sum has it, they differ. If it does not, then neither has its
// parent ended within the first sum (a fiber's end is counted after all it started), nor the
// parent's parent, up to one that the second sum has.
bool Scheduler::quiet() const noexcept {
  std::uint64_t ended = 0;
  for (const auto& worker : workers_) ended += worker->stats().finished.read();
  std::uint64_t started = started_outside_.load(std::memory_order_seq_cst);
  for (const auto& worker : workers_) started += worker->stats().spawned.read();
  return started == ended;
}

void Scheduler::finished_while_closing() noexcept {
  ended_.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(ended_, 1);
}

// Cancels in rounds: the fibers there are, then, once those have ended, any that they have started
// meanwhile. Those belong to somebody's cleaning up, and get the time of a round to do it.
void Scheduler::cancel_all_and_wait() {
  closing_.store(true, std::memory_order_seq_cst);
  // A worker that counts the end of a fiber and then reads `closing_` does so without a barrier, at
  // every fiber's end. This one serves for both sides: whoever still reads false has had its count
  // seen by quiet().
  barrier_on_all_threads();
  struct Cancelled {
    Fiber* fiber;
    std::uint64_t id;
  };
  std::vector<Cancelled> round;
  for (;;) {
    const std::uint32_t seen = ended_.load(std::memory_order_seq_cst);
    while (!round.empty()) {
      const Cancelled& last = round.back();
      const bool alive = last.fiber->scheduler.load(std::memory_order_acquire) == this &&
                         last.fiber->id.load(std::memory_order_relaxed) == last.id;
      if (alive) break;
      round.pop_back();
    }
    if (quiet()) return;
    if (round.empty()) {
      // All are noted before the first is cancelled: what they start then is for the next round.
      FiberPool::instance().for_each([&](Fiber& fiber) {
        if (fiber.scheduler.load(std::memory_order_acquire) != this) return;
        round.push_back({&fiber, fiber.id.load(std::memory_order_relaxed)});
      });
      for (const Cancelled& noted : round) cancel_if_ours(*noted.fiber, noted.id);
      if (!round.empty()) continue;
    }
    // A round that found nobody although somebody is left (about to start, or about to be buried)
    // looks again.
    futex_wait(ended_, seen, now() + (round.empty() ? kMillisecond : kSecond));
  }
}

void Scheduler::cancel_if_ours(Fiber& fiber, std::uint64_t id) noexcept {
  for (;;) {
    // The epoch first: if the descriptor changes hands meanwhile, the word has moved on and the
    // swap fails.
    const Epoch epoch = fiber.word.current_epoch();
    if (fiber.scheduler.load(std::memory_order_acquire) != this) return;
    if (fiber.id.load(std::memory_order_relaxed) != id) return;
    if (cancel(fiber, epoch)) return;
  }
}

void Scheduler::note_activity() noexcept { monitor_->note_activity(); }

SchedulerStats Scheduler::stats() const noexcept {
  SchedulerStats sum;
  sum.spawned = started_outside_.load(std::memory_order_relaxed);
  for (const auto& worker : workers_) {
    const WorkerStats& stats = worker->stats();
    sum.switches += stats.turns.read();
    sum.spawned += stats.spawned.read();
    sum.finished += stats.finished.read();
    sum.steals += stats.steals.read();
    sum.parks += stats.parks.read();
    sum.wakes += stats.wakes.read();
    sum.polls += stats.polls.read();
  }
  return sum;
}

}  // namespace weft::detail
