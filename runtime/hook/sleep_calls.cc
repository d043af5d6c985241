// sleep(3) and its like. Each is libc's call in a plain thread.

#include <threads.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "hook/caller.h"
#include "hook/libc.h"
#include "hook/time_spans.h"

namespace weft::hook {

namespace {

WEFT_LIBC(clock_nanosleep);

bool is_elapsing(clockid_t clock) noexcept {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
         clock == CLOCK_TAI;
}

// 0 or the errno. Other clocks than the steady one may be set meanwhile, so they are looked at now
// and then.
int sleep_until_on(clockid_t clock, Nanos moment) {
  if (clock == CLOCK_MONOTONIC) return sleep_until(std::max<Nanos>(moment, 1)) ? 0 : errno;
  for (;;) {
    timespec time{};
    ::clock_gettime(clock, &time);
    const Nanos left = moment - nanos_of(time);
    if (left <= 0) return 0;
    if (!sleep_until(deadline_in(std::min(left, kNanosPerSecond)))) return errno;
  }
}

// As clock_nanosleep(2): returns the error and leaves errno alone.
int sleep_on(clockid_t clock, int flags, const timespec* span, timespec* left) {
  if (!in_fiber() || span == nullptr || !is_valid(*span) || !is_elapsing(clock)) {
    return libc_clock_nanosleep(clock, flags, span, left);
  }
  const ErrnoScope scope;
  if (!begin_call()) return scope.succeed(ECANCELED);
  if ((flags & TIMER_ABSTIME) != 0) return scope.succeed(sleep_until_on(clock, nanos_of(*span)));
  const Nanos deadline = deadline_in(nanos_of(*span));
  if (sleep_until(deadline)) return scope.succeed(0);
  const int error = errno;
  if (left != nullptr) *left = timespec_of(std::max<Nanos>(deadline - detail::now(), 0));
  return scope.succeed(error);
}

int sleep_for(const timespec* span, timespec* left) {
  const int error = sleep_on(CLOCK_REALTIME, 0, span, left);
  if (error == 0) return 0;
  errno = error;
  return -1;
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int nanosleep(const timespec* span, timespec* left) { return sleep_for(span, left); }
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is libc's
int __nanosleep(const timespec* span, timespec* left) { return sleep_for(span, left); }

int clock_nanosleep(clockid_t clock, int flags, const timespec* span, timespec* left) {
  return sleep_on(clock, flags, span, left);
}

int usleep(useconds_t span) {
  const timespec time = timespec_of(Nanos{span} * 1'000);
  return sleep_for(&time, nullptr);
}

unsigned sleep(unsigned seconds) {
  const timespec span{static_cast<time_t>(seconds), 0};
  timespec left{};
  if (sleep_on(CLOCK_REALTIME, 0, &span, &left) == 0) return 0;
  // In whole seconds, and not none.
  return static_cast<unsigned>(left.tv_sec) + (left.tv_nsec > 0 ? 1 : 0);
}

int thrd_sleep(const timespec* span, timespec* left) {
  const int error = sleep_on(CLOCK_REALTIME, 0, span, left);
  if (error == 0) return 0;
  return error == EINTR || error == ECANCELED ? -1 : -2;
}

}  // extern "C"
