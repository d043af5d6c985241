#pragma once

#include <weft/error.h>
#include <weft/sleep.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {
/// When a time limit is over, in nanoseconds of the steady clock or after now, and whether that was
/// so when it was set.
struct TimeLimit {
  std::int64_t moment;
  bool passed;
  bool from_now;
};
TimeLimit limit_in(std::chrono::nanoseconds span) noexcept;
TimeLimit limit_at(std::chrono::nanoseconds moment) noexcept;
}  // namespace detail

/// The time limit of a running `timeout`, for its body to look at and to move. Only by the fiber
/// whose body it is, and not after the body has ended.
class TimeoutScope {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Moves the limit; a moment that has passed expires at once. Throws std::logic_error once it has
  /// expired, and std::bad_alloc, in which case the old limit holds.
  void reschedule(TimePoint when);
  /// Lifts the limit.
  void reschedule(std::nullopt_t);
  /// The limit, none if it was lifted.
  std::optional<TimePoint> when() const noexcept;
  /// True once the time was up and the body has been asked to stop.
  bool expired() const noexcept;

  /// For `timeout` itself.
  explicit TimeoutScope(detail::TimeLimit limit);
  ~TimeoutScope();
  TimeoutScope(const TimeoutScope&) = delete;
  TimeoutScope& operator=(const TimeoutScope&) = delete;
  /// Ends the scope. True when a Cancelled that is leaving is this scope's own, and becomes
  /// TimeoutError.
  bool finish() noexcept;

 private:
  struct Inside;
  Inside& inside() noexcept;
  const Inside& inside() const noexcept;
  static void arm(Inside& inside, detail::TimeLimit limit);
  void stop() noexcept;

  alignas(8) std::byte inside_[104];
};

namespace detail {

template <class F>
decltype(auto) call_with_scope(F&& body, TimeoutScope& scope) {
  static_assert(std::is_invocable_v<F, TimeoutScope&> || std::is_invocable_v<F>,
                "weft::timeout: the body is called without arguments, or with the scope, as in "
                "[](weft::TimeoutScope& scope) {}");
  if constexpr (std::is_invocable_v<F, TimeoutScope&>) {
    return std::invoke(std::forward<F>(body), scope);
  } else if constexpr (std::is_invocable_v<F>) {
    return std::invoke(std::forward<F>(body));
  }
}

template <class F>
decltype(auto) timeout_to(TimeLimit limit, F&& body) {
  TimeoutScope scope(limit);
  try {
    return call_with_scope(std::forward<F>(body), scope);
  } catch (const Cancelled&) {
    if (!scope.finish()) throw;
  }
  throw TimeoutError();
}

}  // namespace detail

/// Runs `body()`, or `body(TimeoutScope&)`, in the calling fiber and returns what it returns. When
/// `span` is over, the body is cancelled, and the call waits for it to end, so it may take longer.
/// If Cancelled leaves the body because of that, TimeoutError is thrown in its place; a value that
/// is returned all the same is returned, any other exception passes. A cancellation from outside
/// stays Cancelled, even if the time was up too. Scopes nest; only the one that expired translates.
/// A span of zero or less cancels at the first suspension. Only in a fiber (std::logic_error).
template <class Rep, class Period, class F>
decltype(auto) timeout(std::chrono::duration<Rep, Period> span, F&& body) {
  return detail::timeout_to(detail::limit_in(detail::to_span(span)), std::forward<F>(body));
}

/// The same with a moment instead of a span.
template <class Duration, class F>
decltype(auto) timeout_at(std::chrono::time_point<std::chrono::steady_clock, Duration> moment,
                          F&& body) {
  return detail::timeout_to(detail::limit_at(detail::to_span(moment.time_since_epoch())),
                            std::forward<F>(body));
}

}  // namespace weft
