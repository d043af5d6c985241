#pragma once

// The runtime's one clock, and how the caller's durations become its deadlines. Every conversion
// saturates: `hours::max()` is kNever, not a moment in the past. A fraction of a nanosecond rounds
// up, so that nobody wakes early.

#include <weft/detail/nanos.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>
#include <type_traits>

#include "base/time.h"

namespace weft::detail {

/// CLOCK_MONOTONIC. About 25 ns: a worker reads it once a turn, not once a switch.
inline Nanos now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);  // Fails only for a clock that does not exist.
  return static_cast<Nanos>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

constexpr Nanos saturating_add(Nanos a, Nanos b) noexcept {
  return saturate(static_cast<WideNanos>(a) + b);
}

/// Moments are clamped to [0, kNever]: the kernel refuses a negative timespec, and before boot is
/// as much in the past as boot is.
constexpr Nanos clamp_to_deadline(Nanos moment) noexcept { return std::max<Nanos>(moment, 0); }

/// `span` after `start`, for those who have just read the clock.
template <class Rep, class Period>
constexpr Nanos deadline_after(Nanos start, std::chrono::duration<Rep, Period> span) noexcept {
  return clamp_to_deadline(saturating_add(start, to_nanos(span)));
}

template <class Rep, class Period>
Nanos deadline_after(std::chrono::duration<Rep, Period> span) noexcept {
  return deadline_after(now(), span);
}

// Both libstdc++ and libc++ read CLOCK_MONOTONIC in steady_clock; a unit test compares the two.
static_assert(std::chrono::steady_clock::is_steady);
static_assert(std::is_same_v<std::chrono::steady_clock::period, std::nano>);
// NOLINTNEXTLINE(misc-redundant-expression): the two may be one type
static_assert(std::numeric_limits<std::chrono::steady_clock::rep>::digits ==
              std::numeric_limits<Nanos>::digits);

template <class Duration>
constexpr Nanos to_deadline(
    std::chrono::time_point<std::chrono::steady_clock, Duration> moment) noexcept {
  return clamp_to_deadline(to_nanos(moment.time_since_epoch()));
}

constexpr std::chrono::steady_clock::time_point to_time_point(Nanos moment) noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(moment));
}

}  // namespace weft::detail
