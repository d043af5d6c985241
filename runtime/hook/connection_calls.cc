// connect(2), accept(2), and what else blocks as long as its descriptors do, and cannot be told not
// to for once. See borrowed.h.

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>

#include "hook/borrowed.h"
#include "hook/libc.h"
#include "hook/transfer.h"
#include "time/clock.h"

namespace weft::hook {

namespace {

WEFT_LIBC(accept4);
WEFT_LIBC(connect);
WEFT_LIBC(poll);
WEFT_LIBC(sendfile);

// A plain thread that begins while a fiber has borrowed the listener is told that nobody waits
// there; it did not ask.
int accept_in_thread(int fd, sockaddr* peer, socklen_t* size, int flags) {
  for (;;) {
    const int connection = libc_accept4(fd, peer, size, flags);
    if (connection >= 0 || errno != EAGAIN || is_nonblocking(fd)) return connection;
    if (receive_limit(fd).deadline() != kNever) {
      errno = EAGAIN;
      return -1;
    }
  }
}

int accept_now(int fd, sockaddr* peer, socklen_t* size, int flags) noexcept {
  const Borrowed borrowed(fd);
  return libc_accept4(fd, peer, size, flags);
}

int take_connection(int fd, sockaddr* peer, socklen_t* size, int flags) {
  if (!in_fiber()) return accept_in_thread(fd, peer, size, flags);
  const socklen_t room = size != nullptr ? *size : 0;
  bool woken = false;
  return static_cast<int>(until_done(fd, POLLIN, receive_limit(fd), [&]() -> ssize_t {
    if (size != nullptr) *size = room;
    const int connection = accept_now(fd, peer, size, flags);
    if (connection < 0 && errno == EAGAIN && woken && is_shut_down(fd)) errno = EINVAL;
    woken = true;
    return connection;
  }));
}

// 0 or the errno; EINPROGRESS.
int begin_connection(int fd, const sockaddr* peer, socklen_t size, bool& may_wait) noexcept {
  const Borrowed borrowed(fd);
  may_wait = !borrowed.was_nonblocking();
  return libc_connect(fd, peer, size) == 0 ? 0 : errno;
}

// Not only perhaps: until it is, there is no error to be told of.
bool wait_until_writable(int fd, Nanos deadline) noexcept {
  pollfd item{fd, POLLOUT, 0};
  do {
    if (!wait_for({&item, 1}, deadline)) return false;
  } while (libc_poll(&item, 1, 0) == 0);
  return true;
}

int connect_in_fiber(int fd, const sockaddr* peer, socklen_t size) noexcept {
  if (!begin_call()) return -1;
  const ErrnoScope scope;
  TimeLimit limit = send_limit(fd);
  Nanos pause = 1'000'000;
  int first = 0;
  // Asked for again when it has come about, or failed, the kernel finishes what it began.
  for (bool begun = false;; begun = true) {
    bool may_wait = false;
    const int error = begin_connection(fd, peer, size, may_wait);
    if (!begun) first = error;
    if (error == 0 || (error == EISCONN && begun)) return scope.succeed(0);
    errno = error;
    if (!may_wait) return -1;
    // It is said of a Unix socket whose peer has no room for one more, and nothing tells when it
    // has. Of others it means that a number has run out: there is none to wait for.
    if (error == EAGAIN && is_unix(fd)) {
      const Nanos next = detail::saturating_add(detail::now(), pause);
      if (next > limit.deadline() || !sleep_until(next)) return -1;
      pause = std::min<Nanos>(2 * pause, 50'000'000);
      continue;
    }
    if (error != EINPROGRESS && error != EALREADY) return -1;
    if (!wait_until_writable(fd, limit.deadline())) {
      // What connect(2) says when its time is up: EALREADY, if it was under way before.
      if (errno == EAGAIN) errno = first;
      return -1;
    }
  }
}

// Until the file ends or `size` bytes have gone.
template <class Offset>
ssize_t send_file(int to, int from, Offset* offset, std::size_t size) {
  if (!in_fiber()) return libc_sendfile(to, from, offset, size);
  const auto attempt = [&](std::size_t done) {
    const Borrowed borrowed(to);
    return libc_sendfile(to, from, offset, size - done);
  };
  // The kernel's own goes on piece by piece, and takes the error.
  return until_all(to, POLLOUT, send_limit(to), size, attempt, 0, LateError::kNobodys);
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int accept(int fd, sockaddr* peer, socklen_t* size) { return take_connection(fd, peer, size, 0); }
int accept4(int fd, sockaddr* peer, socklen_t* size, int flags) {
  return take_connection(fd, peer, size, flags);
}

int connect(int fd, const sockaddr* peer, socklen_t size) {
  return in_fiber() ? connect_in_fiber(fd, peer, size) : libc_connect(fd, peer, size);
}
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is libc's
int __connect(int fd, const sockaddr* peer, socklen_t size) { return connect(fd, peer, size); }

ssize_t sendfile(int to, int from, off_t* offset, size_t size) noexcept {
  return send_file(to, from, offset, size);
}
ssize_t sendfile64(int to, int from, off64_t* offset, size_t size) noexcept {
  return send_file(to, from, offset, size);
}

}  // extern "C"
