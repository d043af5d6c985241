#pragma once

#include <cstdint>
#include <limits>

namespace weft::detail {

/// Nanoseconds on CLOCK_MONOTONIC: a moment or a span, as the name that carries it says.
using Nanos = std::int64_t;

/// The deadline that never comes.
inline constexpr Nanos kNever = std::numeric_limits<Nanos>::max();

}  // namespace weft::detail
