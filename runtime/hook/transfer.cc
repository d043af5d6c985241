#include "hook/transfer.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <limits>

#include "base/atomic.h"
#include "fiber/sanitizer.h"
#include "hook/borrowed.h"
#include "hook/disk.h"
#include "hook/libc.h"
#include "hook/system_call.h"
#include "hook/terminal.h"

namespace weft::hook {

namespace {

WEFT_LIBC(poll);
WEFT_LIBC(read);
WEFT_LIBC(readv);
WEFT_LIBC(write);
WEFT_LIBC(writev);
WEFT_LIBC(preadv2);
WEFT_LIBC(pwritev2);
WEFT_LIBC(getsockopt);
WEFT_LIBC(recvmsg);
WEFT_LIBC(sendmsg);
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
WEFT_LIBC(recvfrom);
WEFT_LIBC(sendto);
#endif
constinit Libc<int, int, unsigned long, void*> libc_ioctl{"ioctl"};

using Direction = short;
constexpr Direction kIn = POLLIN;
constexpr Direction kOut = POLLOUT;

// What an attempt to receive has to bring to need no second look: nothing, as long as nobody has
// set SO_RCVLOWAT, and then more than any brings.
constinit detail::Atomic<ssize_t> g_plenty{0};

int count_of(std::span<const iovec> parts) noexcept { return static_cast<int>(parts.size()); }

// One of readv(2), writev(2) and the same with flags.
ssize_t transfer(int fd, std::span<const iovec> parts, Direction direction) noexcept {
  return direction == kIn ? libc_readv(fd, parts.data(), count_of(parts))
                          : libc_writev(fd, parts.data(), count_of(parts));
}
ssize_t transfer_with_flags(int fd, std::span<const iovec> parts, Direction direction,
                            int flags) noexcept {
  return direction == kIn ? libc_preadv2(fd, parts.data(), count_of(parts), -1, flags)
                          : libc_pwritev2(fd, parts.data(), count_of(parts), -1, flags);
}

// As system_call(): what there is now.
ssize_t receive_at_once(int fd, void* into, std::size_t size, int flags, sockaddr* peer,
                        socklen_t* peer_size) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  const ErrnoScope scope;
  const ssize_t count = libc_recvfrom(fd, into, size, flags | MSG_DONTWAIT, peer, peer_size);
  return scope.succeed(count < 0 ? -errno : count);
#else
  return system_call(SYS_recvfrom, fd, into, size, flags | MSG_DONTWAIT, peer, peer_size);
#endif
}
ssize_t read_pipe_at_once(int fd, const iovec& part) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  const ErrnoScope scope;
  const ssize_t count = libc_preadv2(fd, &part, 1, -1, RWF_NOWAIT);
  return scope.succeed(count < 0 ? -errno : count);
#else
  return system_call(SYS_preadv2, fd, &part, 1, -1, 0, RWF_NOWAIT);
#endif
}

// Whether a number that was a pipe's is a file's by now, which was opened behind our back. It would
// be waited for in vain.
bool has_become_disk(int fd) noexcept {
  forget_kind(fd);
  return kind_of(fd) == Kind::kDisk;
}

// Kernels before 6.4 cannot be asked for one call on a pipe that does not block, nor any for a
// write to an eventfd.
ssize_t transfer_unasked(int fd, Kind kind, std::span<const iovec> parts,
                         Direction direction) noexcept {
  if (kind == Kind::kPipe) {
    const Borrowed borrowed(fd);
    return transfer(fd, parts, direction);
  }
  if (is_nonblocking(fd)) return transfer(fd, parts, direction);
  return direction == kIn ? read_device(fd, parts) : write_device(fd, parts);
}

ssize_t transfer_now(int fd, Kind kind, std::span<const iovec> parts,
                     Direction direction) noexcept {
  const ssize_t count = transfer_with_flags(fd, parts, direction, RWF_NOWAIT);
  if (count >= 0 || !refuses_nowait(errno)) return count;
  return transfer_unasked(fd, kind, parts, direction);
}

ssize_t transfer_socket(int fd, std::span<const iovec> parts, Direction direction,
                        std::size_t done) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return direction == kIn ? libc_recvmsg(fd, &message, MSG_DONTWAIT)
                          : libc_sendmsg(fd, &message, MSG_DONTWAIT | silent_after(done));
}

// A write goes on until all is written, a read ends with what there is, unless that is too little.
ssize_t transfer_in_fiber(int fd, std::span<const iovec> given, Direction direction) noexcept {
  Parts parts(given);
  const std::size_t size = parts.size();
  if (size == 0) return transfer(fd, given, direction);
  Kind kind = kind_of(fd);
  if (kind == Kind::kUnknown) return transfer(fd, given, direction);
  if (kind == Kind::kDisk) {
    return direction == kIn ? read_disk(fd, given, -1) : write_disk(fd, given, -1);
  }
  std::size_t skipped = 0;
  const auto attempt = [&](std::size_t done) {
    parts.skip(done - skipped);
    skipped = done;
    if (kind == Kind::kSocket) {
      const ssize_t count = transfer_socket(fd, parts.left(), direction, done);
      if (count >= 0 || errno != ENOTSOCK) return count;
      forget_kind(fd);
      kind = kind_of(fd);
    }
    const ssize_t count = transfer_now(fd, kind, parts.left(), direction);
    if (count >= 0 || errno != EAGAIN || !has_become_disk(fd)) return count;
    return direction == kIn ? read_disk(fd, parts.left(), -1) : write_disk(fd, parts.left(), -1);
  };
  if (direction == kOut) return until_all(fd, kOut, send_limit(fd), size, attempt);
  const std::size_t least = kind == Kind::kSocket ? low_mark_of(fd, size) : 1;
  return until_all(fd, kIn, receive_limit(fd), least, attempt);
}

}  // namespace

ssize_t receive_now(int fd, void* into, std::size_t size, int flags, sockaddr* peer,
                    socklen_t* peer_size) noexcept {
  return or_errno(receive_at_once(fd, into, size, flags, peer, peer_size));
}

ssize_t send_now(int fd, const void* from, std::size_t size, int flags, const sockaddr* peer,
                 socklen_t peer_size) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return libc_sendto(fd, from, size, flags | MSG_DONTWAIT, peer, peer_size);
#else
  return or_errno(system_call(SYS_sendto, fd, from, size, flags | MSG_DONTWAIT, peer, peer_size));
#endif
}

short look_at(int fd, short events) noexcept {
  pollfd item{fd, events, 0};
  libc_poll(&item, 1, 0);
  return item.revents;
}

int option_of(int fd, int option) noexcept {
  int value = -1;
  socklen_t size = sizeof(value);
  return libc_getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

std::size_t low_mark_of(int fd, std::size_t size) noexcept {
  if (g_plenty.load(std::memory_order_relaxed) == 0 || option_of(fd, SO_TYPE) != SOCK_STREAM) {
    return 1;
  }
  return std::min(size, static_cast<std::size_t>(std::max(option_of(fd, SO_RCVLOWAT), 1)));
}

void mind_low_marks() noexcept {
  // Publishes nothing: the kernel has the mark.
  g_plenty.store(std::numeric_limits<ssize_t>::max(), std::memory_order_relaxed);
}

bool is_unix(int fd) noexcept { return option_of(fd, SO_DOMAIN) == AF_UNIX; }

bool is_shut_down(int fd) noexcept {
  return kind_of(fd) == Kind::kSocket && (look_at(fd, POLLRDHUP) & (POLLRDHUP | POLLHUP)) != 0;
}

// A reset is a hang-up, too. Errors that are only queued are not, and end no call; and a call that
// receives ends before urgent data. Where the kernel does not tell how much is left, it is tried.
bool is_over(int fd, short events, LateError error) noexcept {
  if (kind_of(fd) != Kind::kSocket) return false;
  const bool receives = (events & POLLIN) != 0;
  int mark = 0;
  if (receives && libc_ioctl(fd, SIOCATMARK, &mark) == 0 && mark != 0) return true;
  if ((look_at(fd, 0) & POLLHUP) == 0) return false;
  int left = 0;
  if (receives && (libc_ioctl(fd, FIONREAD, &left) != 0 || left != 0)) return false;
  if (error == LateError::kNobodys || is_unix(fd)) option_of(fd, SO_ERROR);  // which takes it
  return true;
}

namespace {

// What follows when the first came to `tried`. An error is told at once: the socket has it no more.
[[gnu::noinline]] ssize_t receive_later(int fd, const iovec& part, ssize_t tried) noexcept {
  if (tried < 0 && tried != -EAGAIN) return or_errno(tried);
  const std::size_t least = low_mark_of(fd, part.iov_len);
  const auto done = static_cast<std::size_t>(std::max<ssize_t>(tried, 0));
  if (tried == 0 || done >= least) return tried;
  auto* const bytes = static_cast<std::byte*>(part.iov_base);
  const auto attempt = [&](std::size_t so_far) {
    if (tried == -EAGAIN) return or_errno(std::exchange(tried, 0));
    return or_errno(
        receive_at_once(fd, bytes + so_far, part.iov_len - so_far, 0, nullptr, nullptr));
  };
  return until_all(fd, kIn, receive_limit(fd), least, attempt, done);
}

[[gnu::noinline]] ssize_t read_later(int fd, const iovec& part, Kind kind, ssize_t tried) noexcept {
  const int before = errno;
  ssize_t count = -1;
  if (kind == Kind::kSocket) {
    count = receive_later(fd, part, tried);
    if (count >= 0 || errno != ENOTSOCK) return count;
    forget_kind(fd);
  } else {
    if (tried >= 0) return tried;
    count = until_done(fd, kIn, receive_limit(fd), [&] {
      ssize_t now = tried != 0 ? std::exchange(tried, 0) : read_pipe_at_once(fd, part);
      if (now == -EAGAIN && has_become_disk(fd)) now = -EOPNOTSUPP;
      return or_errno(now);
    });
    if (count >= 0 || !refuses_nowait(errno)) return count;
  }
  errno = before;
  return transfer_in_fiber(fd, {&part, 1}, kIn);
}

}  // namespace

// These two touch as little as they can when there is something to read: no errno, no table of
// another library, none of the fiber.

[[gnu::hot]] ssize_t receive_in_fiber(int fd, void* into, std::size_t size) noexcept {
  if (!begin_call()) return -1;
  const ssize_t now = receive_at_once(fd, into, size, 0, nullptr, nullptr);
  return now >= g_plenty.load(std::memory_order_relaxed) ? now
                                                         : receive_later(fd, {into, size}, now);
}

[[gnu::hot]] ssize_t read_in_fiber(int fd, void* into, std::size_t size) noexcept {
  if (size == 0) return libc_read(fd, into, size);  // not readv(2), which asks nobody then
  const Kind kind = kind_of(fd);
  const iovec part{into, size};
  if (kind != Kind::kSocket && kind != Kind::kPipe) return transfer_in_fiber(fd, {&part, 1}, kIn);
  if (!begin_call()) return -1;
  const ssize_t now = kind == Kind::kSocket ? receive_at_once(fd, into, size, 0, nullptr, nullptr)
                                            : read_pipe_at_once(fd, part);
  return now >= g_plenty.load(std::memory_order_relaxed) ? now : read_later(fd, part, kind, now);
}

ssize_t read_in_fiber(int fd, std::span<const iovec> into) noexcept {
  return transfer_in_fiber(fd, into, kIn);
}

ssize_t write_in_fiber(int fd, const void* from, std::size_t size) noexcept {
  const int before = errno;
  if (kind_of(fd) == Kind::kSocket) [[likely]] {
    const auto* const bytes = static_cast<const std::byte*>(from);
    const ssize_t count = until_all(fd, kOut, send_limit(fd), size, [&](std::size_t done) {
      return send_now(fd, bytes + done, size - done, silent_after(done));
    });
    if (count >= 0 || errno != ENOTSOCK) return count;
    forget_kind(fd);
    errno = before;
  }
  if (size == 0) return libc_write(fd, from, size);
  const iovec part{const_cast<void*>(from), size};
  return transfer_in_fiber(fd, {&part, 1}, kOut);
}

ssize_t write_in_fiber(int fd, std::span<const iovec> from) noexcept {
  return transfer_in_fiber(fd, from, kOut);
}

}  // namespace weft::hook
