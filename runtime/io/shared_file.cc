#include "io/shared_file.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/to_thread.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "reactor/quiet_write.h"
#include "sched/mask_scope.h"

namespace weft::detail {

namespace {

// Each returns the count or the negative errno, and is not inlined where a fiber suspends:
// compilers keep errno's address across calls.

ssize_t or_errno(ssize_t count) noexcept { return count >= 0 ? count : -errno; }

bool is_refusal(ssize_t count) noexcept {
  return count == -EOPNOTSUPP || count == -EINVAL || count == -ENOSYS;
}

[[gnu::noinline]] ssize_t read_now(StreamKind kind, int fd, std::span<std::byte> into) noexcept {
  if (kind == StreamKind::kSharedSocket) {
    return or_errno(::recv(fd, into.data(), into.size(), MSG_DONTWAIT));
  }
  const iovec part{into.data(), into.size()};
  const ssize_t count = or_errno(::preadv2(fd, &part, 1, -1, RWF_NOWAIT));
  return is_refusal(count) ? or_errno(::read(fd, into.data(), into.size())) : count;
}

// A pipe that is ready takes PIPE_BUF bytes, and so many at once or none.
[[gnu::noinline]] ssize_t write_what_fits(int fd, std::span<const iovec> parts) noexcept {
  iovec beginning = parts.front();
  beginning.iov_len = std::min<std::size_t>(beginning.iov_len, PIPE_BUF);
  return or_errno(write_quietly(fd, &beginning, 1));
}

[[gnu::noinline]] ssize_t write_now(StreamKind kind, int fd,
                                    std::span<const iovec> parts) noexcept {
  if (kind == StreamKind::kSharedSocket) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());  // only read, for all its type says
    message.msg_iovlen = parts.size();
    return or_errno(::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  const ssize_t count = or_errno(write_quietly(fd, parts.data(), parts.size(), RWF_NOWAIT));
  return is_refusal(count) ? write_what_fits(fd, parts) : count;
}

// On a thread of the blocking pool. The wait cannot be cancelled: the call goes on, and what it
// reads would be lost.
template <class Call>
ssize_t call_on_disk(Call call) {
  const MaskScope mask;
  return to_thread([&call]() noexcept { return or_errno(call()); });
}

// Waits until the file is ready, then makes the call, until it has done something.
template <class Call>
IoResult wait_and_call(Reactor& reactor, const StreamState& state, Direction direction, Call call) {
  for (;;) {
    const IoResult ready = reactor.wait_ready(state.descriptor, direction);
    // EPERM: it never blocks.
    if (ready.error != 0 && ready.error != EPERM) return ready;
    const FdOperation operation(state.descriptor);
    if (!operation) return {.error = ECANCELED};
    const ssize_t count = call(operation.fd());
    if (count >= 0) return {.count = static_cast<std::size_t>(count)};
    // EAGAIN: another process was quicker.
    if (count != -EAGAIN && count != -EINTR) return {.error = static_cast<int>(-count)};
  }
}

}  // namespace

IoResult read_shared(Reactor& reactor, const StreamState& state, std::span<std::byte> into) {
  return wait_and_call(reactor, state, Direction::kRead, [&](int fd) {
    if (state.kind != StreamKind::kDisk) return read_now(state.kind, fd, into);
    return call_on_disk([&] { return ::read(fd, into.data(), into.size()); });
  });
}

IoResult write_shared(Reactor& reactor, const StreamState& state, std::span<const iovec> parts) {
  return wait_and_call(reactor, state, Direction::kWrite, [&](int fd) {
    if (state.kind != StreamKind::kDisk) return write_now(state.kind, fd, parts);
    return call_on_disk([&] { return write_quietly(fd, parts.data(), parts.size()); });
  });
}

}  // namespace weft::detail
