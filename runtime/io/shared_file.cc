#include "io/shared_file.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/to_thread.h>

#include <cerrno>
#include <vector>

#include "reactor/quiet_write.h"
#include "sched/mask_scope.h"
#include "sched/wait.h"

namespace weft::detail {

namespace {

// Each returns the count or the negative errno, and is not inlined where a fiber suspends:
// compilers keep errno's address across calls.

ssize_t or_errno(ssize_t count) noexcept { return count >= 0 ? count : -errno; }

// RWF_NOWAIT is not for this file, or not for this kernel.
bool is_refusal(ssize_t count) noexcept {
  return count == -EOPNOTSUPP || count == -EINVAL || count == -ENOSYS;
}

[[gnu::noinline]] ssize_t read_now(StreamKind kind, int fd, std::span<std::byte> into) noexcept {
  if (kind == StreamKind::kSharedSocket) {
    return or_errno(::recv(fd, into.data(), into.size(), MSG_DONTWAIT));
  }
  const iovec part{into.data(), into.size()};
  return or_errno(::preadv2(fd, &part, 1, -1, RWF_NOWAIT));
}

[[gnu::noinline]] ssize_t write_now(StreamKind kind, int fd,
                                    std::span<const iovec> parts) noexcept {
  if (kind == StreamKind::kSharedSocket) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());  // only read, for all its type says
    message.msg_iovlen = parts.size();
    return or_errno(::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
  }
  return or_errno(write_quietly(fd, parts.data(), parts.size(), RWF_NOWAIT));
}

// Asked before anything is waited for: a pipe's end never becomes ready for the other direction.
[[gnu::noinline]] int refusal_of(const Descriptor& descriptor, Direction direction) noexcept {
  const FdOperation operation(descriptor);
  if (!operation) return EBADF;
  const int flags = ::fcntl(operation.fd(), F_GETFL);
  if (flags < 0) return errno;
  const int wrong = direction == Direction::kRead ? O_WRONLY : O_RDONLY;
  return (flags & O_ACCMODE) == wrong ? EBADF : 0;
}

// On a thread of the blocking pool. The wait cannot be cancelled: the call goes on, and what it
// reads would be lost.
template <class Call>
ssize_t call_on_disk(Call call) {
  if (take_cancellation()) throw Cancelled{};
  const MaskScope mask;
  return to_thread([&call]() noexcept { return or_errno(call()); });
}

// Waits until the file is ready, then makes the call, until it has done something.
template <class Call>
IoResult wait_and_call(Reactor& reactor, const StreamState& state, Direction direction, Call call) {
  if (const int error = refusal_of(state.descriptor, direction)) return {.error = error};
  for (;;) {
    const IoResult ready = reactor.wait_ready(state.descriptor, direction);
    // EPERM: it never blocks.
    if (ready.error != 0 && ready.error != EPERM) return ready;
    const FdOperation operation(state.descriptor);
    if (!operation) return {.error = ECANCELED};
    const ssize_t count = call(operation);
    if (count >= 0) return {.count = static_cast<std::size_t>(count)};
    // EAGAIN: another process was quicker.
    if (count != -EAGAIN && count != -EINTR) return {.error = static_cast<int>(-count)};
  }
}

}  // namespace

IoResult read_shared(Reactor& reactor, const StreamState& state, std::span<std::byte> into) {
  if (state.kind == StreamKind::kSharedFile && state.calls->has_begun_to_read()) {
    const FdOperation operation(state.descriptor);
    if (!operation) return {.error = EBADF};
    const ssize_t count = state.calls->read(operation, into);
    if (count >= 0) return {.count = static_cast<std::size_t>(count)};
    if (count != -EAGAIN) return {.error = static_cast<int>(-count)};
  }
  return wait_and_call(reactor, state, Direction::kRead, [&](const FdOperation& operation) {
    const int fd = operation.fd();
    if (state.kind == StreamKind::kDisk) {
      return call_on_disk([&] { return ::read(fd, into.data(), into.size()); });
    }
    const ssize_t count = read_now(state.kind, fd, into);
    return state.calls && is_refusal(count) ? state.calls->read(operation, into) : count;
  });
}

IoResult write_shared(Reactor& reactor, const StreamState& state, std::span<const iovec> parts) {
  return wait_and_call(reactor, state, Direction::kWrite, [&](const FdOperation& operation) {
    const int fd = operation.fd();
    if (state.kind == StreamKind::kDisk) {
      return call_on_disk([&] { return write_quietly(fd, parts.data(), parts.size()); });
    }
    const ssize_t count = write_now(state.kind, fd, parts);
    return state.calls && is_refusal(count) ? state.calls->write(operation, parts) : count;
  });
}

}  // namespace weft::detail
