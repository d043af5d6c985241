#include "io/adopt.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/owned_fd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "io/io_error.h"

namespace weft {

namespace detail {
namespace {

int option_of(int fd, int option) noexcept {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

// 0 or the error. Not inlined where a fiber has suspended: compilers keep errno's address across
// calls.
[[gnu::noinline]] int prepare_socket(int fd, int family, int other_family) noexcept {
  const int type = option_of(fd, SO_TYPE);
  if (type < 0) return errno;
  const int domain = option_of(fd, SO_DOMAIN);
  if (type != SOCK_STREAM || (domain != family && domain != other_family)) return EPROTOTYPE;
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return errno;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : errno;
}

}  // namespace

Descriptor adopt_socket(int fd, int family, int other_family) {
  const int error = prepare_socket(fd, family, other_family);
  const auto what = [fd] { return "descriptor " + std::to_string(fd); };
  // A number that is not open is nobody's to close.
  if (error == EBADF) throw std::system_error(error, std::system_category(), "adopt " + what());
  Descriptor owned(fd);
  if (error != 0) throw_io_error(error, "adopt", what());
  return owned;
}

}  // namespace detail

void OwnedFd::reset(int fd) noexcept {
  // An error means that data could not be kept; the number is free even so.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace weft
