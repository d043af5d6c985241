#include "debug/reports.h"

#include <new>
#include <string>
#include <vector>

#include "base/report.h"
#include "fiber/fiber_pool.h"
#include "fiber/identity.h"
#include "offload/blocking_pool.h"
#include "sched/scheduler.h"
#include "sync/lock_record.h"
#include "task/all_tasks.h"

namespace weft::detail {

namespace {

// What there is no memory to tell goes untold, and nothing else goes wrong.
template <class Tell>
void if_there_is_memory(Tell tell) noexcept {
  try {
    tell();
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

void report_slow_fiber(const Fiber& fiber, Nanos stuck) noexcept {
  if_there_is_memory([&] {
    report(describe(fiber) + ", has kept its worker for " + std::to_string(stuck / 1'000'000) +
           " ms without suspending");
  });
}

void report_pending_tasks(const Scheduler& scheduler) noexcept {
  if_there_is_memory([&] {
    for (const TaskInfo& task : tasks_of(scheduler)) {
      report(describe(task.name(), task.site()) +
             ", was still pending when the runtime ended, and is cancelled");
    }
  });
}

namespace {

bool has_timer(Scheduler& scheduler) {
  for (unsigned i = 0; i < scheduler.worker_count(); ++i) {
    if (scheduler.worker(i).next_deadline() != kNever) return true;
  }
  return false;
}

bool has_blocking_job(Scheduler& scheduler) {
  const BlockingPool* const pool = scheduler.services().blocking.load(std::memory_order_acquire);
  if (pool == nullptr) return false;
  const BlockingPool::Stats stats = pool->stats();
  return stats.queued > 0 || stats.threads > stats.idle;
}

bool tell_if_stuck(Scheduler& scheduler) {
  if (has_timer(scheduler) || has_blocking_job(scheduler)) return false;
  std::vector<const Fiber*> waiting;
  FiberPool::instance().for_each([&](const Fiber& fiber) {
    if (fiber.scheduler.load(std::memory_order_acquire) != &scheduler) return;
    // A callback that sleeps until its task ends waits for nothing of its own.
    if (fiber.life.load(std::memory_order_relaxed) == Life::kInUse) waiting.push_back(&fiber);
  });
  std::string text =
      "every task waits, and no timer, descriptor or blocking call is going to wake "
      "one; only another thread can";
  for (const Fiber* const fiber : waiting) {
    const WaitsFor what = fiber->waits_for.load(std::memory_order_relaxed);
    if (what == WaitsFor::kDescriptor || what == WaitsFor::kSignal) return false;
    text += "\n  " + describe(*fiber) + ", waits for " + awaited_by(*fiber);
  }
  if (waiting.empty()) return false;
  report(text);
  return true;
}

}  // namespace

bool report_if_stuck(Scheduler& scheduler) noexcept {
  bool told = false;
  if_there_is_memory([&] { told = tell_if_stuck(scheduler); });
  return told;
}

}  // namespace weft::detail
