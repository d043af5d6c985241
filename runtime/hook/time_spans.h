#pragma once

// The forms in which libc is told how long to wait.

#include <poll.h>
#include <sys/time.h>
#include <time.h>

#include "base/time.h"
#include "time/clock.h"

namespace weft::hook {

constexpr detail::Nanos kNanosPerSecond = 1'000'000'000;

inline bool is_valid(const timespec& span) noexcept {
  return span.tv_sec >= 0 && span.tv_nsec >= 0 && span.tv_nsec < kNanosPerSecond;
}

/// Of valid ones; saturates.
inline detail::Nanos nanos_of(const timespec& span) noexcept {
  constexpr time_t kMost = detail::kNever / kNanosPerSecond - 1;
  return span.tv_sec > kMost ? detail::kNever
                             : detail::Nanos{span.tv_sec} * kNanosPerSecond + span.tv_nsec;
}
inline detail::Nanos nanos_of(const timeval& span) noexcept {
  return nanos_of(timespec{detail::saturating_add(span.tv_sec, span.tv_usec / 1'000'000),
                           static_cast<long>(span.tv_usec % 1'000'000) * 1'000});
}

inline timespec timespec_of(detail::Nanos span) noexcept {
  return {static_cast<time_t>(span / kNanosPerSecond), static_cast<long>(span % kNanosPerSecond)};
}

/// When a wait of that length ends that begins now.
inline detail::Nanos deadline_in(detail::Nanos span) noexcept {
  return detail::saturating_add(detail::now(), span);
}
/// poll(2)'s milliseconds: negative is for ever.
inline detail::Nanos deadline_in_millis(int span) noexcept {
  return span < 0 ? detail::kNever : deadline_in(detail::Nanos{span} * 1'000'000);
}

}  // namespace weft::hook
