#pragma once

#include <weft/detail/nanos.h>

#include <chrono>
#include <cstdint>

namespace weft {

namespace detail {
std::int64_t deadline_in(std::chrono::nanoseconds span) noexcept;
void sleep_to(std::int64_t deadline);

/// As to_nanos().
template <class Rep, class Period>
constexpr std::chrono::nanoseconds to_span(std::chrono::duration<Rep, Period> span) noexcept {
  return std::chrono::nanoseconds(to_nanos(span));
}
}  // namespace detail

/// Suspends the fiber (blocks the thread) for at least `span`; zero or less lets others run once,
/// as yield() does. `hours::max()` and the like sleep until cancelled. Cancellable: throws
/// Cancelled.
template <class Rep, class Period>
void sleep_for(std::chrono::duration<Rep, Period> span) {
  detail::sleep_to(detail::deadline_in(detail::to_span(span)));
}

/// The same until `moment`.
template <class Duration>
void sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> moment) {
  detail::sleep_to(detail::to_span(moment.time_since_epoch()).count());
}

}  // namespace weft
