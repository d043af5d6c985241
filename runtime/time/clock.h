#pragma once

// The runtime's one clock, and how the caller's durations become its deadlines. Every conversion
// saturates: `hours::max()` is kNever, not a moment in the past. A fraction of a nanosecond rounds
// up, so that nobody wakes early.

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>
#include <ratio>
#include <type_traits>

#include "base/time.h"

namespace weft::detail {

/// CLOCK_MONOTONIC. About 25 ns: a worker reads it once a turn, not once a switch.
inline Nanos now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);  // Fails only for a clock that does not exist.
  return static_cast<Nanos>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

inline constexpr Nanos kLongestPast = std::numeric_limits<Nanos>::min();

__extension__ typedef __int128 WideNanos;  // NOLINT(modernize-use-using): not with __extension__

constexpr Nanos saturate(WideNanos value) noexcept {
  return static_cast<Nanos>(std::clamp<WideNanos>(value, kLongestPast, kNever));
}

constexpr Nanos saturating_add(Nanos a, Nanos b) noexcept {
  return saturate(static_cast<WideNanos>(a) + b);
}

/// A span in nanoseconds; negative ones stay negative. Not-a-number counts as zero: a timeout that
/// nobody meant shows at once, where kNever would hide it in a wait without end.
template <class Rep, class Period>
constexpr Nanos to_nanos(std::chrono::duration<Rep, Period> span) noexcept {
  static_assert(std::is_arithmetic_v<Rep>, "durations count in a built-in type");
  using Scale = std::ratio_divide<Period, std::nano>;
  if constexpr (std::is_floating_point_v<Rep>) {
    using Real = std::common_type_t<Rep, double>;
    const Real exact = static_cast<Real>(span.count()) * static_cast<Real>(Scale::num) /
                       static_cast<Real>(Scale::den);
    if (exact != exact) return 0;  // NOLINT(misc-redundant-expression): not a number
    constexpr Real kLimit = static_cast<Real>(std::uint64_t{1} << 63);
    if (exact >= kLimit) return kNever;
    if (exact < -kLimit) return kLongestPast;
    const auto whole = static_cast<Nanos>(exact);
    return static_cast<Real>(whole) < exact ? whole + 1 : whole;
  } else {
    // 64 bits times 63 bits cannot overflow 127.
    const WideNanos scaled = static_cast<WideNanos>(span.count()) * Scale::num;
    const WideNanos whole = scaled / Scale::den;
    return saturate(whole + (whole * Scale::den < scaled ? 1 : 0));
  }
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
