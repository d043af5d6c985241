#pragma once

// The system calls of every request, made without libc's wrappers: those are cancellation points,
// which cost two locked operations each and may never act in a fiber, and they may have been
// interposed. Under sanitizers they are libc's, for these watch what it reads and writes. As with
// libc: -1 and errno.

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include "fiber/sanitizer.h"

namespace weft::detail {

inline ssize_t receive_some(int fd, void* into, std::size_t size) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::recv(fd, into, size, 0);
#else
  return ::syscall(SYS_recvfrom, fd, into, size, 0L, nullptr, nullptr);
#endif
}

// MSG_NOSIGNAL: a peer that has gone is an error of this call, not a signal to the process.

inline ssize_t send_some(int fd, const void* data, std::size_t size) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::send(fd, data, size, MSG_NOSIGNAL);
#else
  return ::syscall(SYS_sendto, fd, data, size, long{MSG_NOSIGNAL}, nullptr, 0L);
#endif
}

inline ssize_t send_parts(int fd, const msghdr& message) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
#else
  return ::syscall(SYS_sendmsg, fd, &message, long{MSG_NOSIGNAL});
#endif
}

inline ssize_t receive_one(int fd, msghdr& message, int flags) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::recvmsg(fd, &message, flags);
#else
  return ::syscall(SYS_recvmsg, fd, &message, long{flags});
#endif
}

inline ssize_t read_some(int fd, void* into, std::size_t size) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::read(fd, into, size);
#else
  return ::syscall(SYS_read, fd, into, size);
#endif
}

inline ssize_t accept_one(int fd, sockaddr* peer, socklen_t& size) noexcept {
  constexpr long kFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::accept4(fd, peer, &size, kFlags);
#else
  return ::syscall(SYS_accept4, fd, peer, &size, kFlags);
#endif
}

inline int connect_to(int fd, const sockaddr* peer, socklen_t size) noexcept {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  return ::connect(fd, peer, size);
#else
  return static_cast<int>(::syscall(SYS_connect, fd, peer, size));
#endif
}

}  // namespace weft::detail
