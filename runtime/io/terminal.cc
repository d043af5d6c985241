#include "io/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

namespace weft::detail {

bool is_terminal_master(int fd) noexcept {
  unsigned number = 0;
  return ::ioctl(fd, TIOCGPTN, &number) == 0;
}

// A master must not be opened again, as that makes a new pair.
OwnedFd open_terminal_anew(int fd) noexcept {
  const int access = ::fcntl(fd, F_GETFL) & O_ACCMODE;
  if (is_terminal_master(fd) || ::isatty(fd) == 0) return {};
  char path[32];
  std::snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return OwnedFd(::open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace weft::detail
