#include "reactor/quiet_write.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/assert.h"
#include "base/atomic.h"
#include "fiber/sanitizer.h"

namespace weft::detail {

namespace {

constexpr int kNoSignal = 0x100;  // RWF_NOSIGNAL, which older headers lack

// Set by whoever finds the flag refused, read by all who write; publishes nothing but itself.
Atomic<bool> flag_refused{false};

// Without libc's wrapper, as in socket_calls.h.
ssize_t write_at_position(int fd, const iovec* parts, std::size_t count, int flags) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::pwritev2(fd, parts, static_cast<int>(count), -1, flags);
#else
  return ::syscall(SYS_pwritev2, fd, parts, count, -1L, -1L, long{flags});
#endif
}

bool contains_pipe_signal(const sigset_t& set) noexcept {
  return ::sigismember(&set, SIGPIPE) == 1;
}

bool is_pending() noexcept {
  sigset_t pending;
  ::sigemptyset(&pending);
  ::sigpending(&pending);
  return contains_pipe_signal(pending);
}

void change_mask(int how, const sigset_t& mask, sigset_t* before) noexcept {
  const int error = ::pthread_sigmask(how, &mask, before);
  WEFT_ASSERT(error == 0, "the mask is changed in a valid way");
}

// The result and errno are those of `call`, which is to transfer `wanted` bytes. One that has
// transferred some of them may have raised the signal, too: splice(2) sends in several parts, and
// tells of what went before the one that failed.
template <class Call>
ssize_t with_signal_blocked(std::size_t wanted, Call call) noexcept {
  sigset_t pipe_signal;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  sigset_t before;
  change_mask(SIG_BLOCK, pipe_signal, &before);
  // One that was pending stays pending: it is not of our making, and ours merges with it.
  const bool was_pending = contains_pipe_signal(before) && is_pending();
  const ssize_t result = call();
  const int error = errno;
  const bool may_have_raised =
      result < 0 ? error == EPIPE : static_cast<std::size_t>(result) < wanted;
  if (may_have_raised && !was_pending) {
    const timespec at_once{};
    while (::sigtimedwait(&pipe_signal, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  change_mask(SIG_SETMASK, before, nullptr);
  errno = error;
  return result;
}

}  // namespace

ssize_t write_quietly(int fd, const iovec* parts, std::size_t count, int flags) noexcept {
  if (!flag_refused.load(std::memory_order_relaxed)) {
    const ssize_t written = write_at_position(fd, parts, count, flags | kNoSignal);
    // Refused by the kernel, by a filter, or by this kind of file; if there are other flags,
    // perhaps because of these.
    if (written >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return written;
  }
  const ssize_t written = write_with_signal_blocked(fd, parts, count, flags);
  if (written >= 0 && flags == 0) flag_refused.store(true, std::memory_order_relaxed);
  return written;
}

ssize_t write_with_signal_blocked(int fd, const iovec* parts, std::size_t count,
                                  int flags) noexcept {
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < count; ++i) wanted += parts[i].iov_len;
  return with_signal_blocked(wanted, [&] {
    return flags == 0 ? ::writev(fd, parts, static_cast<int>(count))
                      : write_at_position(fd, parts, count, flags);
  });
}

ssize_t splice_quietly(int from, int to, off_t* offset, std::size_t count) noexcept {
  return with_signal_blocked(count, [&] {
    return ::splice(from, nullptr, to, offset, count, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  });
}

}  // namespace weft::detail
