#pragma once

// sched/wait.h for model threads: each has a descriptor, waits on its word, and may be cancelled.

#include "sched/wait.h"

namespace model {

/// By a model's constructor: descriptors for that many threads, as new.
void reset_waits(int threads);

/// The descriptor of a model thread, to cancel it.
weft::detail::Fiber& fiber_of(int thread);

/// What now() says, from here on.
void set_clock(weft::detail::Nanos time);

}  // namespace model
