#include "sched/scheduler.h"

#include <pthread.h>

#include <new>
#include <system_error>
#include <utility>

#include "fiber/fiber_pool.h"
#include "fiber/overflow.h"
#include "sched/monitor.h"
#include "sched/worker_inline.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

// Set before any worker starts, which thereby sees it; null in most programs.
constinit Atomic<const WorkerWatch*> g_worker_watch{nullptr};

bool describe_current(CurrentFiberInfo& info) noexcept {
  const Fiber* const fiber = current_fiber();
  if (fiber == nullptr || fiber->stack == nullptr) return false;
  info.stack = fiber->stack;
  info.id = fiber->id.load(std::memory_order_relaxed);
  info.name = fiber->name.load(std::memory_order_relaxed);
  info.file = fiber->file.load(std::memory_order_relaxed);
  info.line = fiber->line.load(std::memory_order_relaxed);
  info.function = fiber->function.load(std::memory_order_relaxed);
  return true;
}

}  // namespace

void watch_workers(const WorkerWatch& watch) noexcept {
  g_worker_watch.store(&watch, std::memory_order_relaxed);
}

Scheduler::Scheduler(SchedulerOptions options, Driver& driver)
    : options_(std::move(options)),
      driver_(driver),
      idle_(options_.workers),
      stuck_(options_.workers) {
  begin_ticks();
  round_.reserve(kLeastRound);
  workers_.reserve(options_.workers);
  for (unsigned i = 0; i < options_.workers; ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, i));
    census_.add(workers_.back()->stats().fibers);
  }
  install_overflow_handler(&describe_current);
  try {
    monitor_ = std::make_unique<Monitor>(*this);
    for (unsigned i = 0; i < options_.workers; ++i) {
      threads_.emplace_back([this, i] { run_worker(i); });
    }
  } catch (const std::system_error& error) {
    stop();
    throw std::system_error(error.code(), "weft: cannot start the threads of a runtime");
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
  census_.wait_for_outside_calls();
  stopping_.store(true, std::memory_order_seq_cst);
  for (auto& worker : workers_) worker->unpark();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  monitor_.reset();  // last: a worker that wakes looks at it
  remove_overflow_handler();
}

void Scheduler::run_worker(unsigned index) {
  const std::string name = options_.name.substr(0, 11) + "-w" + std::to_string(index % 100);
  ::pthread_setname_np(::pthread_self(), name.c_str());  // may be refused; it is for people
  // If there is none, a stack overflow ends the process without a report: no reason not to start.
  const AlternateSignalStack signal_stack;
  Worker& worker = *workers_[index];
  const WorkerWatch* const watch = g_worker_watch.load(std::memory_order_relaxed);
  if (watch != nullptr) watch->begins(worker);
  worker.run();
  if (watch != nullptr) watch->ends(worker);
}

// ---- Fibers.

void Scheduler::start(Fiber& fiber) noexcept {
  Worker* const here = current_worker();
  if (here != nullptr && &here->scheduler() == this) {
    here->start(fiber);
    return;
  }
  fiber.scheduler.store(this, std::memory_order_release);
  const Census::OutsideCall call(census_);
  call.count_start();
  if (fiber.pins > 0) {
    send_home(fiber);
  } else {
    inject(fiber);
  }
}

void Scheduler::start_asleep(Fiber& fiber) noexcept {
  fiber.scheduler.store(this, std::memory_order_release);
  Worker* const here = current_worker();
  if (here != nullptr && &here->scheduler() == this) {
    here->stats().fibers.started.add();
  } else {
    const Census::OutsideCall call(census_);
    call.count_start();
  }
}

void Scheduler::ready_from_outside(Fiber& fiber) noexcept {
  const Census::OutsideCall call(census_);
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

bool Scheduler::has_work() const noexcept { return any_has(&Worker::has_spare); }

bool Scheduler::has_published_work() const noexcept { return any_has(&Worker::has_spare_ready); }

bool Scheduler::any_has(bool (Worker::*spare)() const noexcept) const noexcept {
  if (injector_.maybe_has_items()) return true;
  for (const auto& worker : workers_) {
    if ((worker.get()->*spare)()) return true;
  }
  return false;
}

void Scheduler::rescue(unsigned stuck) noexcept {
  stuck_[stuck].store(true, std::memory_order_relaxed);
  rescue_.store(true, std::memory_order_release);
  const int sleeper = idle_.pick_any();
  if (sleeper == Idle::kNobody) return;  // those awake look now and then
  workers_[static_cast<unsigned>(sleeper)]->unpark();
}

void Scheduler::watch_driver() noexcept {
  if (driver_.unwatched()) wake_any();
}

void Scheduler::wake_any() noexcept {
  const int sleeper = idle_.pick_any();
  if (sleeper != Idle::kNobody) workers_[static_cast<unsigned>(sleeper)]->unpark();
}

// ---- The end.

// Cancels in rounds: the fibers there are, then, once those have ended, any that they have started
// meanwhile. Those belong to somebody's cleaning up, and get the time of a round to do it.
void Scheduler::cancel_all_and_wait() {
  census_.close();
  for (;;) {
    const Census::Look look = census_.look();
    if (look.all_ended) return;
    while (!round_.empty()) {
      if (round_.back().lives()) break;
      round_.pop_back();
    }
    if (round_.empty()) {
      cancel_round();
      if (!round_.empty()) continue;
    }
    // A round that found nobody although somebody is left (about to start, or about to be buried)
    // looks again.
    census_.wait(look, now() + (round_.empty() ? kMillisecond : kSecond));
  }
}

// All are noted before the first is cancelled: what they start then is for the next round. Without
// memory to note them all they are cancelled all the same, since those that are noted may wait for
// others.
void Scheduler::cancel_round() noexcept {
  bool noted_all = true;
  const auto for_ours = [this](auto&& visit) {
    FiberPool::instance().for_each([&](Fiber& fiber) {
      if (fiber.scheduler.load(std::memory_order_acquire) != this) return;
      // A callback ends once its task has, which may have been started too late for this round: the
      // next would wait for it in vain.
      if (fiber.life.load(std::memory_order_relaxed) == Life::kAsleep) return;
      visit(NotedFiber::of(fiber));
    });
  };
  for_ours([&](const NotedFiber& ours) {
    try {
      if (noted_all) round_.push_back(ours);
    } catch (const std::bad_alloc&) {
      noted_all = false;
    }
  });
  if (noted_all) {
    for (const NotedFiber& noted : round_) cancel_if_ours(*noted.fiber, noted.id);
  } else {
    for_ours([&](const NotedFiber& ours) { cancel_if_ours(*ours.fiber, ours.id); });
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
  const Census::Counts fibers = census_.counts();
  sum.spawned = fibers.started;
  sum.finished = fibers.ended;
  for (const auto& worker : workers_) {
    const WorkerStats& stats = worker->stats();
    sum.switches += stats.turns.read();
    sum.steals += stats.steals.read();
    sum.parks += stats.parks.read();
    sum.wakes += stats.wakes.read();
    sum.polls += stats.polls.read();
  }
  return sum;
}

}  // namespace weft::detail
