#pragma once

// Reads and writes: how the calls of each kind of descriptor are tried without blocking, and what
// follows when they would block. See kind.h.

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "hook/caller.h"
#include "hook/kind.h"
#include "hook/parts.h"
#include "hook/time_spans.h"

namespace weft::hook {

/// What poll(2) says of a descriptor now.
short look_at(int fd, short events) noexcept;

/// Of SOL_SOCKET. -1: it is no socket.
int option_of(int fd, int option) noexcept;
bool is_unix(int fd) noexcept;

/// Whether nothing more will come to a socket. Those of datagrams and listeners say so only to who
/// waits in the kernel; others would find EAGAIN, and be woken at once, for ever.
bool is_shut_down(int fd) noexcept;

/// How long a call that finds nothing although its descriptor is ready waits to try again: an
/// eventfd has room, but not for that much.
constexpr Nanos kNotReadyAfterAll = 500'000;

/// Calls `attempt()`, -1 and errno as of a system call, until it need not be called again because
/// of EAGAIN. Between the calls it waits, unless the user has made the descriptor non-blocking.
/// Nothing (0) is received from who has shut down. What came before the fiber runs again counts
/// although the time is up, as in the kernel.
template <class Attempt>
ssize_t until_done(int fd, short events, TimeLimit&& limit, Attempt attempt) noexcept {
  if (!begin_call()) return -1;
  const ErrnoScope scope;
  for (bool woken = false, at_end = false;; woken = true) {
    const ssize_t result = attempt();
    if (result >= 0) return scope.succeed(result);
    if (errno != EAGAIN) return -1;
    if (at_end) return scope.succeed(0);
    at_end = woken && (events & POLLIN) != 0 && is_shut_down(fd);
    if (at_end) continue;  // and look once more, for what came just before
    if (limit.has_passed() || is_nonblocking(fd)) {
      errno = EAGAIN;
      return -1;
    }
    // Not only for `events`: errors that are queued wake who waits, too, and fail no call.
    if (woken && look_at(fd, events) != 0) {
      if (!sleep_until(std::min(deadline_in(kNotReadyAfterAll), limit.deadline()))) return -1;
      limit.look();
    } else if (!limit.wait(events) && !limit.has_passed()) {
      return -1;
    }
  }
}

/// What becomes of an error that ends a call which has transferred something.
enum class LateError : std::uint8_t {
  kAsUsual,  ///< It is the next call's with TCP, and nobody's with a Unix socket.
  kNobodys,
};

/// Whether a call that has transferred something has no more to expect of a socket, as the kernel's
/// own calls see it. To try once more would take the error, and raise SIGPIPE.
bool is_over(int fd, short events, LateError error) noexcept;

/// The same until all of `size` has been transferred: `attempt(done)` goes on behind what has been,
/// `done` bytes to begin with. What has been counts even if the rest fails.
template <class Attempt>
ssize_t until_all(int fd, short events, TimeLimit&& limit, std::size_t size, Attempt attempt,
                  std::size_t done = 0, LateError late = LateError::kAsUsual) noexcept {
  const ErrnoScope scope;
  const auto go_on = [&]() -> ssize_t {
    return done > 0 && is_over(fd, events, late) ? 0 : attempt(done);
  };
  do {
    const ssize_t count = until_done(fd, events, std::move(limit), go_on);
    if (count < 0) return done > 0 ? scope.succeed(static_cast<ssize_t>(done)) : -1;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  } while (done < size);
  return scope.succeed(static_cast<ssize_t>(done));
}

/// Only a call that has sent nothing raises SIGPIPE.
inline int silent_after(std::size_t done) noexcept { return done > 0 ? MSG_NOSIGNAL : 0; }

inline TimeLimit receive_limit(int fd) noexcept { return {fd, SO_RCVTIMEO}; }
inline TimeLimit send_limit(int fd) noexcept { return {fd, SO_SNDTIMEO}; }

/// How much a call that receives at most `size` bytes from a socket waits for: SO_RCVLOWAT of a
/// stream. The kernel is asked once somebody has set that, as hardly any program does.
std::size_t low_mark_of(int fd, std::size_t size) noexcept;
void mind_low_marks() noexcept;

/// Of calls that do not wait, without libc: its functions are points at which a thread may be
/// cancelled, each of which costs two locked operations, and no worker is cancelled. Under
/// sanitizers they are libc's, for these watch what it reads and writes.
ssize_t receive_now(int fd, void* into, std::size_t size, int flags, sockaddr* peer = nullptr,
                    socklen_t* peer_size = nullptr) noexcept;
ssize_t send_now(int fd, const void* from, std::size_t size, int flags,
                 const sockaddr* peer = nullptr, socklen_t peer_size = 0) noexcept;

/// In a fiber: recv(2) without flags, read(2), readv(2), write(2), writev(2) at the file's own
/// position.
ssize_t receive_in_fiber(int fd, void* into, std::size_t size) noexcept;
ssize_t read_in_fiber(int fd, void* into, std::size_t size) noexcept;
ssize_t read_in_fiber(int fd, std::span<const iovec> into) noexcept;
ssize_t write_in_fiber(int fd, const void* from, std::size_t size) noexcept;
ssize_t write_in_fiber(int fd, std::span<const iovec> from) noexcept;

}  // namespace weft::hook
