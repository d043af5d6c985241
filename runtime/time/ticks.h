#pragma once

// Moments that are taken in passing, and mostly never asked for: a read of the processor's counter,
// 12 ns where the clock takes 28. It becomes a time only in the past, as so long ago: what lies
// between is a share of what both have counted since the process read them first, so that nobody
// need know how fast the counter runs.

#include <cstdint>

#include "time/clock.h"

namespace weft::detail {

using Ticks = std::uint64_t;

/// Reads both for the first time, if nobody has.
void begin_ticks() noexcept;
/// Whether the processor's counter runs evenly, in sleep too. If not, ticks are the clock's.
bool has_even_ticks() noexcept;

namespace ticks_detail {
extern bool g_even;  // written before any worker starts
}

inline Ticks ticks() noexcept {
#if defined(__x86_64__)
  if (ticks_detail::g_even) [[likely]]
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  Ticks count = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
#endif
  return static_cast<Ticks>(now());
}

/// The clock and the counter, read at one moment.
struct Reading {
  Nanos time;
  Ticks ticks;
};
inline Reading read_both() noexcept { return {now(), detail::ticks()}; }

/// The time at `then`, before `reading`: not earlier than it was, and later by less than a
/// microsecond and a thousandth of what has passed since.
Nanos time_of(Ticks then, const Reading& reading) noexcept;

}  // namespace weft::detail
