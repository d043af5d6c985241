#pragma once

// Moments that are taken in passing, and mostly never asked for: a read of the processor's counter,
// 12 ns where the clock takes 28. It becomes a time only when it has passed, as so long ago. How
// fast the counter runs is learned from two readings of both; until then from one and the present.

#include <cstdint>

#include "time/clock.h"

namespace weft::detail {

using Ticks = std::uint64_t;

/// Reads both for the first time, if nobody has. Before that ticks are the clock's, and always
/// where the processor's counter does not run evenly.
void begin_ticks() noexcept;
/// Some milliseconds later: learns how fast the counter runs, if nobody has.
void learn_ticks() noexcept;

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

/// The counter and then the clock: if the thread is stopped in between, the time is a later one,
/// and all that is worked out from it.
struct Reading {
  Ticks ticks;
  Nanos time;
};
inline Reading read_both() noexcept {
  const Ticks counted = ticks();
  return {counted, now()};
}

/// The time at `then`, before `reading`: not earlier than it was, and later by less than a
/// microsecond and a thousandth of what has passed since, or by all of that, if the counter was set
/// back meanwhile. (One that goes on in a sleep that the clock leaves out would make it earlier, by
/// that sleep, if that fell in between.)
Nanos time_of(Ticks then, const Reading& reading) noexcept;

}  // namespace weft::detail
