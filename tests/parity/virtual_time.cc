// A clock that moves on when the worker sleeps, instead of the worker sleeping. The linker leads
// the runtime's reads of the clock and its waits here, from its static library as from the
// scenarios.
//
// The clock is the real one and what has been skipped. A worker's wait with a deadline lasts a
// moment, in which a thread or a signal may end it; then the rest of it is skipped. Other threads
// wait as ever.

#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>

#include "sched/worker.h"

extern "C" {
int __real_clock_gettime(clockid_t clock, timespec* time);
long __real_syscall(long number, ...);
int __real_epoll_wait(int epoll, epoll_event* events, int most, int millis);
int __wrap_clock_gettime(clockid_t clock, timespec* time);
long __wrap_syscall(long number, ...);
int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int millis);
}

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kRealWait = 5'000'000;

std::atomic<std::int64_t> g_skipped{0};

std::int64_t nanos(const timespec& time) { return time.tv_sec * kSecond + time.tv_nsec; }
timespec to_timespec(std::int64_t time) { return {time / kSecond, time % kSecond}; }

std::int64_t real_now() {
  timespec time{};
  __real_clock_gettime(CLOCK_MONOTONIC, &time);
  return nanos(time);
}

bool on_worker() { return weft::detail::current_worker() != nullptr; }

// The virtual deadline of a futex becomes the real one of a moment.
long wait_on_futex(long word, long operation, long expected, const timespec* until, long mask) {
  if (until == nullptr)
    return __real_syscall(SYS_futex, word, operation, expected, nullptr, 0, mask);
  const std::int64_t deadline = nanos(*until) - g_skipped;
  const std::int64_t moment = real_now() + kRealWait;
  const timespec real = to_timespec(on_worker() ? std::min(deadline, moment) : deadline);
  const long result = __real_syscall(SYS_futex, word, operation, expected, &real, 0, mask);
  if (on_worker() && result == -1 && errno == ETIMEDOUT) {
    g_skipped += std::max<std::int64_t>(0, deadline - real_now());
    errno = ETIMEDOUT;
  }
  return result;
}

long wait_for_events(long epoll, long events, long most, const timespec* span) {
  const bool long_wait = span != nullptr && nanos(*span) > kRealWait && on_worker();
  if (!long_wait) return __real_syscall(SYS_epoll_pwait2, epoll, events, most, span, 0, 0);
  const timespec moment = to_timespec(kRealWait);
  const long count = __real_syscall(SYS_epoll_pwait2, epoll, events, most, &moment, 0, 0);
  if (count == 0) g_skipped += nanos(*span) - kRealWait;
  return count;
}

}  // namespace

int __wrap_clock_gettime(clockid_t clock, timespec* time) {
  const int result = __real_clock_gettime(clock, time);
  if (result == 0 && clock == CLOCK_MONOTONIC) *time = to_timespec(nanos(*time) + g_skipped);
  return result;
}

long __wrap_syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long argument[6];
  for (long& value : argument) value = va_arg(list, long);
  va_end(list);
  const auto* const time = reinterpret_cast<const timespec*>(argument[3]);
  if (number == SYS_futex && (argument[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
    return wait_on_futex(argument[0], argument[1], argument[2], time, argument[5]);
  }
  if (number == SYS_epoll_pwait2) {
    return wait_for_events(argument[0], argument[1], argument[2], time);
  }
  return __real_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                        argument[5]);
}

// The form for kernels without the other.
int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int millis) {
  constexpr int kMoment = kRealWait / 1'000'000;
  if (millis <= kMoment || !on_worker()) return __real_epoll_wait(epoll, events, most, millis);
  const int count = __real_epoll_wait(epoll, events, most, kMoment);
  if (count == 0) g_skipped += std::int64_t{millis - kMoment} * 1'000'000;
  return count;
}
