#pragma once

// The exact means of the audit: every system call of a worker comes to a signal handler first
// (Syscall User Dispatch, Linux 5.11, x86-64). Calls of fibers it makes itself, and notes when the
// thread slept meanwhile; the others it lets through.

#include <string>

#include "base/time.h"

namespace weft::hook {

/// Calls that sleep for less are not noted: to wake a thread alone takes about half as long, and
/// locks of malloc's are in between.
inline constexpr detail::Nanos kLeastSleep = 100'000;

/// Why this machine does not grant it; "" if it does.
std::string why_no_dispatch();

/// Once, before the others.
void install_dispatch() noexcept;
/// From here on the calling thread's calls are dispatched, or are not any more.
void begin_dispatch() noexcept;
void end_dispatch() noexcept;

}  // namespace weft::hook
