// The composition root: the one file that sees every layer, and puts a runtime together and takes
// it apart.

#include <weft/runtime.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "base/debug_mode.h"
#include "base/party.h"
#include "debug/reports.h"
#include "interrupt.h"
#include "offload/blocking_pool.h"
#include "options.h"
#include "reactor/driver_choice.h"
#include "sched/scheduler.h"
#include "task/lost_exception.h"
#include "task/task_state.h"

namespace weft {

using detail::Nanos;

namespace {

detail::SchedulerOptions scheduler_options(const detail::ResolvedOptions& options,
                                           Nanos slow_after) {
  return {
      .workers = options.workers,
      .strict_fifo = options.fifo,
      .spin = options.spin,
      .spin_yields = options.spin_yields,
      .name = options.name,
      .stack_class = options.stack_class,
      .slow_after = slow_after,
      .on_slow = options.debug ? &detail::report_slow_fiber : nullptr,
      .on_quiet = options.debug ? &detail::report_if_stuck : nullptr,
  };
}

}  // namespace

struct Runtime::Inside {
  explicit Inside(const Options& given) : Inside(given, detail::resolve(given)) {}
  Inside(const Options& given, const detail::ResolvedOptions& options)
      : debug(options.debug),
        lost_exceptions{given.on_lost_exception},
        reactor(detail::make_driver(options.driver, options.workers, options.debug)),
        blocking(options.blocking_threads),
        scheduler(scheduler_options(options, given.slow_fiber.count()), *reactor) {
    if (debug) detail::g_debugged_runtimes.fetch_add(1, std::memory_order_relaxed);
    detail::Services& services = scheduler.services();
    services.reactor = reactor.get();
    services.blocking.store(&blocking, std::memory_order_release);
    services.lost_exceptions = &lost_exceptions;
  }
  // Fibers first, for they use all the rest. Then the blocking pool, whose last jobs may post new
  // ones, which find it gone, and wait for these: so they are cancelled as they come. What is left,
  // workers and driver, the destructors end in that order.
  void end() noexcept {
    WEFT_ASSERT(detail::current_fiber() == nullptr, "a fiber cannot wait for its own end");
    if (debug) detail::report_pending_tasks(scheduler);
    scheduler.cancel_all_and_wait();
    scheduler.services().blocking.store(nullptr, std::memory_order_release);
    for (std::chrono::milliseconds pause(1); !blocking.finish_within(pause);) {
      scheduler.cancel_all_and_wait();
      pause = std::min(2 * pause, std::chrono::milliseconds(20));
    }
    scheduler.cancel_all_and_wait();
    if (debug) detail::g_debugged_runtimes.fetch_sub(1, std::memory_order_relaxed);
  }

  const bool debug;
  const detail::LostExceptionHandler lost_exceptions;
  const std::unique_ptr<detail::Reactor> reactor;
  detail::BlockingPool blocking;
  detail::Scheduler scheduler;
};

Runtime::Runtime(const Options& options) {
  refuse_nesting();
  inside_ = std::make_unique<Inside>(options);
}

// While `inside_` is there still: whoever posts meanwhile goes by it.
Runtime::~Runtime() { inside_->end(); }

detail::Scheduler& Runtime::scheduler() const noexcept { return inside_->scheduler; }
unsigned Runtime::workers() const noexcept { return inside_->scheduler.worker_count(); }

void Runtime::refuse_nesting() {
  if (detail::current_fiber() != nullptr) {
    throw std::logic_error(
        "weft::run: called from a fiber, which a runtime is running already; use weft::spawn or "
        "weft::gather there");
  }
}

void Runtime::wait_for_main(const detail::TaskRef& main, const detail::InterruptScope& interrupts) {
  struct EndHook : detail::CompletionHook {
    EndHook() noexcept
        : CompletionHook([](CompletionHook&, detail::TaskOutcome) noexcept {
            detail::note_main_event();
            return detail::WakeToken();
          }) {}
  };
  EndHook hook;
  detail::TaskState& state = detail::state_of(main.fiber());
  if (!state.end.add(hook)) return detail::leave_party();
  bool cancelled = false;
  for (;;) {
    const std::uint32_t seen = detail::main_events();
    if (state.ended()) break;
    if (!cancelled && interrupts.interrupted()) {
      cancelled = true;
      interrupts.act();
      main.cancel();
    }
    detail::leave_party();
    detail::wait_for_main_event(seen);
  }
  state.end.remove(hook);
  detail::leave_party();  // it may have ended before anybody waited
}

namespace {

Metrics metrics_of(detail::Scheduler& scheduler) {
  const detail::SchedulerStats stats = scheduler.stats();
  const detail::StackStats stacks = scheduler.stacks().stats();
  return {
      .workers = scheduler.worker_count(),
      .tasks_started = stats.spawned,
      .tasks_ended = stats.finished,
      .switches = stats.switches,
      .steals = stats.steals,
      .parks = stats.parks,
      .wakes = stats.wakes,
      .driver_polls = stats.polls,
      .stack_bytes_mapped = stacks.mapped_bytes,
      .stacks_in_use = stacks.in_use,
      .stacks_unguarded = stacks.unguarded,
      .driver = scheduler.driver().name(),
  };
}

}  // namespace

Metrics Runtime::metrics() const { return metrics_of(inside_->scheduler); }

Metrics metrics() {
  detail::Scheduler* const scheduler = detail::Scheduler::current();
  return scheduler != nullptr ? metrics_of(*scheduler) : Metrics();
}

}  // namespace weft
