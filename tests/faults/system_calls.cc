// The runtime's system calls on their way to the kernel. `__wrap_recv` is what the linker calls for
// recv() in everything that is linked statically, `__real_recv` is what it called before: libc's,
// or a sanitizer's. In a plain build the calls of every request are made through syscall().

#include <linux/futex.h>
#include <netdb.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <ctime>
#include <memory>
#include <system_error>
#include <thread>

#include "faults/injector.h"

using faults::Call;
using faults::detail::judge;
using faults::detail::Verdict;

extern "C" {
long __real_syscall(long number, ...);
ssize_t __real_recv(int fd, void* into, size_t size, int flags);
ssize_t __real_send(int fd, const void* data, size_t size, int flags);
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __real_recvmsg(int fd, msghdr* message, int flags);
int __real_recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit);
int __real_sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags);
ssize_t __real_read(int fd, void* into, size_t size);
ssize_t __real_splice(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                      unsigned flags);
int __real_pipe2(int* ends, int flags);
int __real_accept4(int fd, sockaddr* peer, socklen_t* size, int flags);
int __real_connect(int fd, const sockaddr* peer, socklen_t size);
int __real_socket(int family, int type, int protocol);
int __real_setsockopt(int fd, int level, int option, const void* value, socklen_t size);
int __real_bind(int fd, const sockaddr* address, socklen_t size);
int __real_listen(int fd, int backlog);
int __real_getsockname(int fd, sockaddr* address, socklen_t* size);
int __real_shutdown(int fd, int how);
int __real_close(int fd);
int __real_epoll_create1(int flags);
int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
int __real_epoll_wait(int epoll, epoll_event* events, int most, int millis);
int __real_eventfd(unsigned count, int flags);
void* __real_mmap64(void* address, size_t size, int protection, int flags, int fd, off64_t offset);
int __real_mprotect(void* address, size_t size, int protection);
int __real_madvise(void* address, size_t size, int advice);
int __real_sigaltstack(const stack_t* stack, stack_t* previous);
int __real_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** found);
void* __real_malloc(size_t size);
}

namespace {

int failed(const Verdict& verdict) noexcept {
  errno = verdict.error;
  return -1;
}

template <class Real>
auto or_fail(Call call, int fd, Real real) noexcept -> decltype(real()) {
  if (const Verdict verdict = judge(call, fd)) return failed(verdict);
  return real();
}

// The call may be told of less than there is, or of nothing: then the edge is still to come.
template <class Real>
ssize_t transfer(Call call, int fd, std::size_t size, Real real) noexcept {
  const Verdict verdict = judge(call, fd);
  if (!verdict) return real(size);
  if (verdict.error == 0) {
    const ssize_t count = real(std::min(size, verdict.most));
    const int error = errno;
    faults::detail::tell_edge_again(fd);
    errno = error;
    return count;
  }
  if (verdict.error == EAGAIN) faults::detail::tell_edge_again(fd);
  return failed(verdict);
}

// The first `size` bytes of the parts; at most those of one part, if that is less.
template <class Real>
ssize_t send_shortened(const msghdr& message, std::size_t size, Real real) noexcept {
  std::size_t whole = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) whole += message.msg_iov[i].iov_len;
  if (size >= whole) return real(message);
  const iovec* part = message.msg_iov;
  while (part->iov_len == 0) ++part;
  iovec beginning{part->iov_base, std::min(part->iov_len, size)};
  msghdr shortened{};
  shortened.msg_iov = &beginning;
  shortened.msg_iovlen = 1;
  return real(shortened);
}

std::size_t size_of(const msghdr& message) noexcept {
  std::size_t size = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) size += message.msg_iov[i].iov_len;
  return size;
}

template <class Real>
ssize_t send_message(int fd, const msghdr& message, Real real) noexcept {
  return transfer(Call::kSend, fd, size_of(message),
                  [&](std::size_t size) { return send_shortened(message, size, real); });
}

// Into the beginning of the first part.
template <class Real>
ssize_t receive_shortened(msghdr& message, std::size_t size, Real real) noexcept {
  if (size >= size_of(message)) return real();
  iovec* const parts = message.msg_iov;
  const std::size_t count = message.msg_iovlen;
  iovec beginning{parts->iov_base, std::min(parts->iov_len, size)};
  message.msg_iov = &beginning;
  message.msg_iovlen = 1;
  const ssize_t received = real();
  message.msg_iov = parts;
  message.msg_iovlen = count;
  return received;
}

template <class Real>
ssize_t receive_message(int fd, msghdr& message, Real real) noexcept {
  return transfer(Call::kReceiveMessage, fd, size_of(message),
                  [&](std::size_t size) { return receive_shortened(message, size, real); });
}

// Only a connect() that has to wait is interrupted, and it goes on by itself: connect(2).
template <class Real>
int connect_or_fail(int fd, Real real) noexcept {
  const Verdict verdict = judge(Call::kConnect, fd);
  if (!verdict) return real();
  if (verdict.error == EINTR) {
    const int result = real();
    if (result == 0 || (errno != EINPROGRESS && errno != EALREADY)) return result;
  }
  return failed(verdict);
}

template <class Real>
int accept_or_fail(int fd, Real real) noexcept {
  const ssize_t taken = transfer(Call::kAccept, fd, 0, [&](std::size_t) { return real(); });
  if (taken >= 0) faults::detail::forget(static_cast<int>(taken));
  return static_cast<int>(taken);
}

long wait_on_futex(const long (&a)[6]) noexcept {
  return __real_syscall(SYS_futex, a[0], a[1], a[2], a[3], a[4], a[5]);
}

long futex(const long (&a)[6]) noexcept {
  if ((a[1] & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET) return wait_on_futex(a);
  return or_fail(Call::kFutexWait, -1, [&] { return wait_on_futex(a); });
}

}  // namespace

extern "C" {

long __wrap_syscall(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (long& argument : a) argument = va_arg(arguments, long);
  va_end(arguments);
  const int fd = static_cast<int>(a[0]);
  const auto real = [&] { return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]); };
  switch (number) {
    case SYS_recvfrom:
    case SYS_sendto:
      return transfer(number == SYS_sendto ? Call::kSend : Call::kReceive, fd,
                      static_cast<std::size_t>(a[2]), [&](std::size_t size) {
                        return __real_syscall(number, a[0], a[1], size, a[3], a[4], a[5]);
                      });
    case SYS_sendmsg:
      return send_message(fd, *reinterpret_cast<const msghdr*>(a[1]), [&](const msghdr& message) {
        return __real_syscall(SYS_sendmsg, a[0], &message, a[2]);
      });
    case SYS_recvmsg:
      return receive_message(fd, *reinterpret_cast<msghdr*>(a[1]), real);
    case SYS_read:
      return transfer(Call::kRead, fd, static_cast<std::size_t>(a[2]),
                      [&](std::size_t size) { return __real_syscall(SYS_read, a[0], a[1], size); });
    case SYS_accept4:
      return accept_or_fail(fd, [&] { return static_cast<int>(real()); });
    case SYS_connect:
      return connect_or_fail(fd, [&] { return static_cast<int>(real()); });
    case SYS_epoll_pwait2:
      return or_fail(Call::kEpollWait, -1, real);
    case SYS_membarrier:
      return or_fail(Call::kBarrier, -1, real);
    case SYS_futex:
      return futex(a);
    default:
      return real();
  }
}

ssize_t __wrap_recv(int fd, void* into, size_t size, int flags) {
  return transfer(Call::kReceive, fd, size,
                  [&](std::size_t some) { return __real_recv(fd, into, some, flags); });
}

ssize_t __wrap_send(int fd, const void* data, size_t size, int flags) {
  return transfer(Call::kSend, fd, size,
                  [&](std::size_t some) { return __real_send(fd, data, some, flags); });
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  return send_message(fd, *message,
                      [&](const msghdr& some) { return __real_sendmsg(fd, &some, flags); });
}

ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
  return receive_message(fd, *message, [&] { return __real_recvmsg(fd, message, flags); });
}

int __wrap_recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags, timespec* limit) {
  return static_cast<int>(transfer(Call::kReceiveMany, fd, count, [&](std::size_t some) -> ssize_t {
    return __real_recvmmsg(fd, messages, static_cast<unsigned>(some), flags, limit);
  }));
}

int __wrap_sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return static_cast<int>(transfer(Call::kSendMany, fd, count, [&](std::size_t some) -> ssize_t {
    return __real_sendmmsg(fd, messages, static_cast<unsigned>(some), flags);
  }));
}

ssize_t __wrap_read(int fd, void* into, size_t size) {
  return transfer(Call::kRead, fd, size,
                  [&](std::size_t some) { return __real_read(fd, into, some); });
}

ssize_t __wrap_splice(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                      unsigned flags) {
  return transfer(Call::kSplice, from, size, [&](std::size_t some) {
    return __real_splice(from, from_offset, to, to_offset, some, flags);
  });
}

int __wrap_pipe2(int* ends, int flags) {
  return or_fail(Call::kPipe, -1, [&] { return __real_pipe2(ends, flags); });
}

int __wrap_accept4(int fd, sockaddr* peer, socklen_t* size, int flags) {
  return accept_or_fail(fd, [&] { return __real_accept4(fd, peer, size, flags); });
}

int __wrap_connect(int fd, const sockaddr* peer, socklen_t size) {
  return connect_or_fail(fd, [&] { return __real_connect(fd, peer, size); });
}

int __wrap_socket(int family, int type, int protocol) {
  const int fd = or_fail(Call::kSocket, -1, [&] { return __real_socket(family, type, protocol); });
  if (fd >= 0) faults::detail::forget(fd);
  return fd;
}

int __wrap_setsockopt(int fd, int level, int option, const void* value, socklen_t size) {
  return or_fail(Call::kSocketOption, fd,
                 [&] { return __real_setsockopt(fd, level, option, value, size); });
}

int __wrap_bind(int fd, const sockaddr* address, socklen_t size) {
  return or_fail(Call::kListen, fd, [&] { return __real_bind(fd, address, size); });
}

int __wrap_listen(int fd, int backlog) {
  return or_fail(Call::kListen, fd, [&] { return __real_listen(fd, backlog); });
}

int __wrap_getsockname(int fd, sockaddr* address, socklen_t* size) {
  return or_fail(Call::kSocketName, fd, [&] { return __real_getsockname(fd, address, size); });
}

int __wrap_shutdown(int fd, int how) {
  return or_fail(Call::kShutdown, fd, [&] { return __real_shutdown(fd, how); });
}

// Whatever it says, the descriptor is closed afterwards: close(2).
int __wrap_close(int fd) {
  const Verdict verdict = judge(Call::kClose, fd);
  faults::detail::forget(fd);
  const int result = __real_close(fd);
  return verdict ? failed(verdict) : result;
}

int __wrap_epoll_create1(int flags) {
  return or_fail(Call::kEpollCreate, -1, [&] { return __real_epoll_create1(flags); });
}

// Noted first: what the addition finds ready may be reported, and be called upon, before it
// returns.
int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  return or_fail(Call::kEpollControl, fd, [&] {
    if (event != nullptr) faults::detail::note_watch(epoll, fd, event->events, event->data.u64);
    return __real_epoll_ctl(epoll, operation, fd, event);
  });
}

int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int millis) {
  return or_fail(Call::kEpollWaitMillis, -1,
                 [&] { return __real_epoll_wait(epoll, events, most, millis); });
}

int __wrap_eventfd(unsigned count, int flags) {
  return or_fail(Call::kEventfd, -1, [&] { return __real_eventfd(count, flags); });
}

void* __wrap_mmap64(void* address, size_t size, int protection, int flags, int fd, off64_t offset) {
  if (const Verdict verdict = judge(Call::kMap)) {
    failed(verdict);
    return MAP_FAILED;
  }
  return __real_mmap64(address, size, protection, flags, fd, offset);
}

int __wrap_mprotect(void* address, size_t size, int protection) {
  return or_fail(Call::kProtect, -1, [&] { return __real_mprotect(address, size, protection); });
}

int __wrap_madvise(void* address, size_t size, int advice) {
  return or_fail(Call::kAdvise, -1, [&] { return __real_madvise(address, size, advice); });
}

int __wrap_sigaltstack(const stack_t* stack, stack_t* previous) {
  // Clang links AddressSanitizer's calls with the rest: it asks, and cannot be told no.
  if (stack == nullptr) return __real_sigaltstack(stack, previous);
  return or_fail(Call::kSignalStack, -1, [&] { return __real_sigaltstack(stack, previous); });
}

int __wrap_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** found) {
  const Verdict verdict = judge(Call::kResolve);
  if (!verdict) return __real_getaddrinfo(host, service, hints, found);
  errno = verdict.error == EAI_SYSTEM ? EMFILE : errno;
  return verdict.error;
}

void* __wrap_malloc(size_t size) {
  if (const Verdict verdict = judge(Call::kMalloc)) {
    failed(verdict);
    return nullptr;
  }
  return __real_malloc(size);
}

// std::thread's constructor ends in a function of libstdc++'s, which calls pthread_create and
// throws its error like this.
using State = std::unique_ptr<std::thread::_State>;
void real_start_thread(std::thread* self, State state, void (*depend)()) __asm__(
    "__real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE");
void wrap_start_thread(std::thread* self, State state, void (*depend)()) __asm__(
    "__wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE");
void wrap_start_thread(std::thread* self, State state, void (*depend)()) {
  if (const Verdict verdict = judge(Call::kThread)) {
    throw std::system_error(verdict.error, std::generic_category());
  }
  real_start_thread(self, std::move(state), depend);
}

}  // extern "C"
