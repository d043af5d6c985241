// poll(2) and epoll_wait(2): asked without waiting, again and again, and between that the fiber
// waits for whatever they wait for. Each is libc's call in a plain thread.
//
// A signal mask is in force only while the kernel is asked: a thread has one mask, whoever runs on
// it.

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "hook/caller.h"
#include "hook/libc.h"
#include "hook/time_spans.h"

namespace weft::hook {

namespace {

WEFT_LIBC(poll);
WEFT_LIBC(ppoll);
WEFT_LIBC(epoll_wait);
WEFT_LIBC(epoll_pwait);
#if __GLIBC_PREREQ(2, 35)
WEFT_LIBC(epoll_pwait2);
#endif

// -1 and errno EAGAIN: the time is up.
bool time_is_up() noexcept { return errno == EAGAIN; }

// What poll(2) answers, `ask` being poll(2) without waiting.
template <class Ask>
int poll_in_fiber(pollfd* items, nfds_t count, Nanos deadline, Ask ask) noexcept {
  if (!begin_call()) return -1;
  const ErrnoScope scope;
  for (;;) {
    const int ready = ask();
    if (ready != 0) return ready > 0 ? scope.succeed(ready) : -1;
    if (deadline != kNever && deadline <= detail::now()) return scope.succeed(0);
    if (wait_for({items, count}, deadline)) {
      if (count == 1 && items[0].revents != 0) return scope.succeed(1);
      continue;
    }
    if (time_is_up()) continue;  // and ask once more
    if (errno != EBADF) return -1;
    // They are closed at this moment, so to ask again could be too early.
    return scope.succeed(static_cast<int>(
        std::count_if(items, items + count, [](const pollfd& item) { return item.revents != 0; })));
  }
}

template <class Ask>
int epoll_in_fiber(int fd, Nanos deadline, Ask ask) noexcept {
  if (!begin_call()) return -1;
  const ErrnoScope scope;
  for (;;) {
    const int ready = ask();
    if (ready != 0) return ready > 0 ? scope.succeed(ready) : -1;
    if (deadline != kNever && deadline <= detail::now()) return scope.succeed(0);
    if (!wait_for(fd, POLLIN, deadline) && !time_is_up()) return -1;
  }
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

[[noreturn]] void __chk_fail();  // NOLINT(bugprone-reserved-identifier)

int poll(pollfd* items, nfds_t count, int timeout) {
  if (timeout == 0 || !in_fiber()) return libc_poll(items, count, timeout);
  return poll_in_fiber(items, count, deadline_in_millis(timeout),
                       [&] { return libc_poll(items, count, 0); });
}

int ppoll(pollfd* items, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  if (!in_fiber() || (timeout != nullptr && !is_valid(*timeout))) {
    return libc_ppoll(items, count, timeout, mask);
  }
  const Nanos deadline = timeout == nullptr ? kNever : deadline_in(nanos_of(*timeout));
  const timespec now{};
  return poll_in_fiber(items, count, deadline,
                       [&] { return libc_ppoll(items, count, &now, mask); });
}

int epoll_wait(int fd, epoll_event* events, int most, int timeout) {
  if (timeout == 0 || !in_fiber()) return libc_epoll_wait(fd, events, most, timeout);
  return epoll_in_fiber(fd, deadline_in_millis(timeout),
                        [&] { return libc_epoll_wait(fd, events, most, 0); });
}

int epoll_pwait(int fd, epoll_event* events, int most, int timeout, const sigset_t* mask) {
  if (timeout == 0 || !in_fiber()) return libc_epoll_pwait(fd, events, most, timeout, mask);
  return epoll_in_fiber(fd, deadline_in_millis(timeout),
                        [&] { return libc_epoll_pwait(fd, events, most, 0, mask); });
}

#if __GLIBC_PREREQ(2, 35)
int epoll_pwait2(int fd, epoll_event* events, int most, const timespec* timeout,
                 const sigset_t* mask) {
  if (!in_fiber() || (timeout != nullptr && !is_valid(*timeout))) {
    return libc_epoll_pwait2(fd, events, most, timeout, mask);
  }
  const Nanos deadline = timeout == nullptr ? kNever : deadline_in(nanos_of(*timeout));
  return epoll_in_fiber(fd, deadline, [&] { return libc_epoll_pwait(fd, events, most, 0, mask); });
}
#endif

// NOLINTBEGIN(bugprone-reserved-identifier): the names are libc's

int __poll(pollfd* items, nfds_t count, int timeout) { return poll(items, count, timeout); }

// What a fortified program calls.
int __poll_chk(pollfd* items, nfds_t count, int timeout, size_t room) {
  if (count > room / sizeof(pollfd)) __chk_fail();
  return poll(items, count, timeout);
}
int __ppoll_chk(pollfd* items, nfds_t count, const timespec* timeout, const sigset_t* mask,
                size_t room) {
  if (count > room / sizeof(pollfd)) __chk_fail();
  return ppoll(items, count, timeout, mask);
}

// NOLINTEND(bugprone-reserved-identifier)

}  // extern "C"
