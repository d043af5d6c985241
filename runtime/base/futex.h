#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "base/atomic.h"
#include "base/chaos.h"
#include "base/time.h"

namespace weft::detail {

#if !defined(WEFT_MODEL)

static_assert(sizeof(Atomic<std::uint32_t>) == sizeof(std::uint32_t),
              "the kernel sees the bare word");

/// Sleeps while the 32 bits at `word` hold `expected`, at most until `deadline` (CLOCK_MONOTONIC).
/// May return early; the caller looks at the word again. Returns false only when the deadline has
/// passed.
inline bool futex_wait(const void* word, std::uint32_t expected, Nanos deadline = kNever) noexcept {
  if (chaos::strikes(chaos::Kind::kWake, 8)) return true;
  timespec until{};
  if (deadline != kNever) {
    until.tv_sec = static_cast<time_t>(deadline / 1'000'000'000);
    until.tv_nsec = static_cast<long>(deadline % 1'000'000'000);
  }
  // The bitset form takes an absolute deadline, so an early return does not stretch it.
  const long result =
      ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                deadline == kNever ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
  return !(result == -1 && errno == ETIMEDOUT);
}

/// Wakes up to `count` threads that sleep on `word`. Async-signal-safe.
inline void futex_wake(const void* word, int count) noexcept {
  ::syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

inline bool futex_wait(const Atomic<std::uint32_t>& word, std::uint32_t expected,
                       Nanos deadline = kNever) noexcept {
  return futex_wait(static_cast<const void*>(&word), expected, deadline);
}
inline void futex_wake(const Atomic<std::uint32_t>& word, int count) noexcept {
  futex_wake(static_cast<const void*>(&word), count);
}

#endif

}  // namespace weft::detail
