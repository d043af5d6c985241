#pragma once

// What the scheduler knows of the outside world: something that can be asked which fibers have
// become ready, and in which a worker can sleep. A driver reports; only the scheduler schedules.

#include <cstdint>
#include <memory>
#include <vector>

#include "base/time.h"
#include "sched/wait.h"

namespace weft::detail {

/// A wait that a driver reports as over. The scheduler ends it, if nobody else has.
struct Ready {
  WakeToken token;
  Wake reason = Wake::kNormal;
};

class Driver {
 public:
  virtual ~Driver() = default;

  /// For people and metrics: "epoll".
  virtual const char* name() const noexcept = 0;

  /// True when there is anything to poll for. May be called by any worker, at any time; cheap.
  virtual bool active() const noexcept = 0;

  /// Whether one kernel queue serves all workers; else each has its own.
  virtual bool shared() const noexcept { return true; }
  /// True when there is something to poll for, and nobody holds the right to.
  virtual bool unwatched() noexcept = 0;

  /// Takes the right to poll for `worker`. Where the queue is shared one holds it at a time, and
  /// false means that another polls. Where it is not, this succeeds, after a moment if another is
  /// just taking over. Never sleeps.
  virtual bool acquire(unsigned worker) noexcept = 0;
  virtual void release(unsigned worker) noexcept = 0;

  /// Appends what is ready to `ready`. Sleeps until something is, until `deadline`
  /// (CLOCK_MONOTONIC; 0: not at all), or until interrupt(). Only by the worker that acquired the
  /// right.
  virtual void poll(unsigned worker, Nanos deadline, std::vector<Ready>& ready) noexcept = 0;

  /// Makes a poll() of `worker` return that sleeps now or is about to. From any thread; may come
  /// late or for nothing.
  virtual void interrupt(unsigned worker) noexcept = 0;

  // -- For a worker that is stuck in a fiber, where each has a queue of its own. From any thread.

  /// Whether anything is there that it does not see.
  virtual bool has_waiting(unsigned /*worker*/) const noexcept { return false; }
  /// Appends it to `ready`, as far as that is possible.
  virtual void take_over(unsigned /*worker*/, std::vector<Ready>& /*ready*/) noexcept {}
};

}  // namespace weft::detail
