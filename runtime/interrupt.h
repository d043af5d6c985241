#pragma once

#include <weft/detail/interrupt_scope.h>

#include <cstdint>

namespace weft::detail {

/// How many interrupts and ends of main tasks there were: threads that wait for a main task look at
/// it, then at what they wait for, and sleep unless there were more since. Sleeping may end early.
std::uint32_t main_events() noexcept;
void wait_for_main_event(std::uint32_t seen) noexcept;
/// Wakes them all. Async-signal-safe.
void note_main_event() noexcept;

}  // namespace weft::detail
