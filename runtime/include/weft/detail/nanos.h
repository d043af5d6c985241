#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

namespace weft::detail {

__extension__ typedef __int128 WideNanos;  // NOLINT(modernize-use-using): not with __extension__

constexpr std::int64_t saturate(WideNanos value) noexcept {
  using Limits = std::numeric_limits<std::int64_t>;
  return static_cast<std::int64_t>(std::clamp<WideNanos>(value, Limits::min(), Limits::max()));
}

/// A span in nanoseconds, rounded up; negative ones stay negative. More than 292 years is for ever.
/// Not-a-number counts as zero: a timeout that nobody meant shows at once, where one without end
/// would hide it.
template <class Rep, class Period>
constexpr std::int64_t to_nanos(std::chrono::duration<Rep, Period> span) noexcept {
  static_assert(std::is_arithmetic_v<Rep>, "durations count in a built-in type");
  using Limits = std::numeric_limits<std::int64_t>;
  using Scale = std::ratio_divide<Period, std::nano>;
  if constexpr (std::is_floating_point_v<Rep>) {
    using Real = std::common_type_t<Rep, double>;
    const Real exact = static_cast<Real>(span.count()) * static_cast<Real>(Scale::num) /
                       static_cast<Real>(Scale::den);
    if (exact != exact) return 0;  // NOLINT(misc-redundant-expression): not a number
    constexpr Real kLimit = static_cast<Real>(std::uint64_t{1} << 63);
    if (exact >= kLimit) return Limits::max();
    if (exact < -kLimit) return Limits::min();
    const auto whole = static_cast<std::int64_t>(exact);
    return static_cast<Real>(whole) < exact ? whole + 1 : whole;
  } else {
    // 64 bits times 63 bits cannot overflow 127.
    const WideNanos scaled = static_cast<WideNanos>(span.count()) * Scale::num;
    const WideNanos whole = scaled / Scale::den;
    return saturate(whole + (whole * Scale::den < scaled ? 1 : 0));
  }
}

}  // namespace weft::detail
