// Operations on top of readiness: try where the call may succeed, wait where it must fail.

#include "reactor/reactor.h"

#include <poll.h>
#include <weft/error.h>

#include <algorithm>
#include <cerrno>

#include "base/chaos.h"
#include "reactor/quiet_write.h"
#include "reactor/socket_calls.h"

namespace weft::detail {

namespace {

// The count, or the negative errno. Not inlined: compilers keep errno's address across calls, and
// after a suspension it would be another thread's.
template <class Call>
[[gnu::noinline]] ssize_t try_call(Call& call, int fd) {
  const ssize_t count = call(fd);
  return count >= 0 ? count : -errno;
}

// The kernel takes less than 2 GiB in one call, and io_uring's lengths have 32 bits. A short count
// is to mean that the buffer is empty or full, never that.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

std::size_t total(std::span<const iovec> parts) noexcept {
  std::size_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

}  // namespace

// Calls until it succeeds or fails for good. A call that transferred less than the `wanted` bytes
// has emptied (or filled) the socket's buffer, and what comes next will be a new edge: so the next
// call waits at once and saves a system call that must fail. Not so after a hang-up, which was the
// last edge. (The short count at an urgent mark is the one exception; such a peer waits for its own
// next segment.)
template <class Call>
IoResult Reactor::attempt(const Descriptor& descriptor, Direction direction, std::size_t wanted,
                          Call call, const Handover& handover) {
  if (spend_budget()) throw Cancelled{};
  const FdOperation operation(descriptor);
  if (!operation) return {.error = EBADF};
  FdEntry& entry = operation.entry();
  const bool tries = handover.call != Handover::Call::kSend || !takes_.sends;
  for (;;) {
    const Readiness seen = entry.readiness(direction);
    if ((tries && seen.ready()) || chaos::strikes(chaos::Kind::kDriver, 4)) {
      const ssize_t count = try_call(call, operation.fd());
      if (count >= 0) {
        const auto transferred = static_cast<std::size_t>(count);
        if (transferred > 0 && transferred < wanted && !seen.hung_up()) {
          entry.note_unready(direction, seen);
        }
        return {.count = transferred};
      }
      if (count == -EINTR) continue;
      if (count != -EAGAIN) return {.error = static_cast<int>(-count)};
      entry.note_unready(direction, seen);
    }
    const IoResult result = wait_or_do(operation, direction, handover);
    if (result.error != EAGAIN) return result;
  }
}

IoResult Reactor::receive(const Descriptor& socket, std::span<std::byte> into) {
  into = into.first(std::min(into.size(), kMostBytes));
  return attempt(socket, Direction::kRead, into.size(),
                 [&](int fd) { return receive_some(fd, into.data(), into.size()); },
                 {.call = Handover::Call::kReceive, .into = into});
}

IoResult Reactor::send(const Descriptor& socket, std::span<const iovec> parts) {
  if (parts.size() == 1) {
    const std::span from(static_cast<const std::byte*>(parts[0].iov_base),
                         std::min(parts[0].iov_len, kMostBytes));
    return attempt(socket, Direction::kWrite, from.size(),
                   [&](int fd) { return send_some(fd, from.data(), from.size()); },
                   {.call = Handover::Call::kSend, .from = from});
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // only read, for all its type says
  message.msg_iovlen = parts.size();
  const std::size_t wanted = total(parts);
  return attempt(socket, Direction::kWrite, wanted <= kMostBytes ? wanted : 0,
                 [&](int fd) { return send_parts(fd, message); });
}

// A pipe's writer is told anew only when a whole page has become free, and a terminal gives line by
// line: what a short count tells of a socket it does not tell of these.
IoResult Reactor::read(const Descriptor& file, std::span<std::byte> into) {
  return attempt(file, Direction::kRead, 0,
                 [&](int fd) { return read_some(fd, into.data(), into.size()); });
}

IoResult Reactor::write(const Descriptor& file, std::span<const iovec> parts) {
  return attempt(file, Direction::kWrite, 0,
                 [&](int fd) { return write_quietly(fd, parts.data(), parts.size()); });
}

IoResult Reactor::receive_message(const Descriptor& socket, msghdr& message, int flags) {
  return attempt(socket, Direction::kRead, 0,
                 [&](int fd) { return receive_one(fd, message, flags); });
}

IoResult Reactor::send_message(const Descriptor& socket, const msghdr& message) {
  return attempt(socket, Direction::kWrite, 0, [&](int fd) { return send_parts(fd, message); });
}

// The kernel is asked each time, as others may have read or written since the last edge.
IoResult Reactor::wait_ready(const Descriptor& descriptor, Direction direction) {
  return attempt(descriptor, direction, 0, [&](int fd) -> ssize_t {
    pollfd asked{fd, direction == Direction::kRead ? short{POLLIN | POLLRDHUP} : short{POLLOUT}, 0};
    const int count = ::poll(&asked, 1, 0);
    if (count != 0) return count < 0 ? -1 : 0;
    errno = EAGAIN;
    return -1;
  });
}

IoResult Reactor::accept(const Descriptor& listener, sockaddr* peer, socklen_t& size) {
  const socklen_t room = size;
  return attempt(listener, Direction::kRead, 0,
                 [&](int fd) -> ssize_t {
                   size = room;
                   return accept_one(fd, peer, size);
                 },
                 {.call = Handover::Call::kAccept, .peer = peer, .size = &size});
}

// Asked again, connect() tells how far it is: EALREADY while it goes on, then its result, once. Its
// errors go past attempt(), as its EAGAIN means that something has run out.
IoResult Reactor::connect(const Descriptor& socket, const sockaddr* peer, socklen_t size) {
  int error = 0;
  IoResult result = attempt(socket, Direction::kWrite, 0, [&](int fd) -> ssize_t {
    if (connect_to(fd, peer, size) == 0 || errno == EISCONN) return 0;
    if (errno == EINPROGRESS || errno == EALREADY || errno == EINTR) {
      errno = EAGAIN;
      return -1;
    }
    error = errno;
    return 0;
  });
  if (error != 0) result.error = error;
  return result;
}

// ---- Files on disk.

IoResult Reactor::do_file_call(const FdOperation& /*operation*/, const FileCall& /*call*/) {
  return {.error = EOPNOTSUPP};
}

IoResult Reactor::hand_over(const Descriptor& file, const FileCall& call) {
  const FdOperation operation(file);
  if (!operation) return {.error = EBADF};
  return do_file_call(operation, call);
}

IoResult Reactor::read_at(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset) {
  return hand_over(file, {.call = FileCall::Call::kRead, .into = into, .offset = offset});
}

IoResult Reactor::write_at(const Descriptor& file, std::span<const std::byte> from,
                           std::uint64_t offset) {
  return hand_over(file, {.call = FileCall::Call::kWrite, .from = from, .offset = offset});
}

IoResult Reactor::sync(const Descriptor& file, bool with_metadata) {
  return hand_over(file, {.call = FileCall::Call::kSync, .with_metadata = with_metadata});
}

}  // namespace weft::detail
