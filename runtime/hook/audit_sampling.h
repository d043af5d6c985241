#pragma once

// The audit's means where system calls cannot be dispatched: a thread looks every 2 ms whether a
// worker sleeps in the kernel while it is in a fiber. Who is seen so twice in the same call has
// been blocked.

namespace weft::detail {
class Worker;
}

namespace weft::hook {

/// Once, before the others.
void install_sampling() noexcept;
/// On the worker's thread, before it runs fibers, and after.
void begin_sampling(detail::Worker& worker) noexcept;
void end_sampling(detail::Worker& worker) noexcept;

}  // namespace weft::hook
