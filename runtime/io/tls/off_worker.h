#pragma once

#include <weft/to_thread.h>

#include <utility>

#include "sched/wait.h"

namespace weft::detail {

/// For what reads files or computes for long: by a thread of the blocking pool if a fiber calls,
/// which then waits cancellably; at once if a plain thread does. `call` holds copies of its own, as
/// it may outlive a fiber that is cancelled.
template <class F>
auto off_worker(F&& call) {
  if (current_fiber() == nullptr) return call();
  return to_thread(std::forward<F>(call));
}

}  // namespace weft::detail
