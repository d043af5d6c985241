// What ends a descriptor, and what reads or changes its flags. In every thread: who waits for a
// descriptor in a fiber is to learn that it was closed, whoever closed it.

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <optional>

#include "hook/borrowed.h"
#include "hook/caller.h"
#include "hook/ending.h"
#include "hook/file_locks.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(close);
WEFT_LIBC(close_range);
WEFT_LIBC(closefrom);
WEFT_LIBC(dup2);
WEFT_LIBC(dup3);
WEFT_LIBC(fclose);
WEFT_LIBC(freopen);
// What follows the command is one word or nothing.
constinit Libc<int, int, int, void*> libc_fcntl{"fcntl"};
constinit Libc<int, int, unsigned long, void*> libc_ioctl{"ioctl"};

bool is_open(int fd) noexcept {
  const int error = errno;
  const bool open = libc_fcntl(fd, F_GETFD, nullptr) >= 0;
  errno = error;
  return open;
}

int control(int fd, int command, void* argument) {
  switch (command) {
    case F_GETFL:
      return flags_of(fd);
    case F_SETFL: {
      const NotBorrowed alone(fd);
      return libc_fcntl(fd, command, argument);
    }
    case F_SETLKW:
    case F_OFD_SETLKW:
      if (in_fiber()) return wait_for_range(fd, command, argument);
      [[fallthrough]];
    default:
      return libc_fcntl(fd, command, argument);
  }
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int close(int fd) {
  const Ending ending(fd);
  return libc_close(fd);
}
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is libc's
int __close(int fd) { return close(fd); }

int dup2(int fd, int to) noexcept {
  std::optional<Ending> ending;
  if (fd != to && is_open(fd)) ending.emplace(to);
  return libc_dup2(fd, to);
}
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is libc's
int __dup2(int fd, int to) noexcept { return dup2(fd, to); }
int dup3(int fd, int to, int flags) noexcept {
  std::optional<Ending> ending;
  if ((flags & ~O_CLOEXEC) == 0 && fd != to && is_open(fd)) ending.emplace(to);
  return libc_dup3(fd, to, flags);
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
  // With other flags it closes nothing, or is refused.
  constexpr unsigned kCloses = CLOSE_RANGE_UNSHARE;
  std::optional<Ending> ending;
  if ((static_cast<unsigned>(flags) & ~kCloses) == 0 && first <= last) ending.emplace(first, last);
  return libc_close_range(first, last, flags);
}
void closefrom(int first) noexcept {
  const Ending ending(first < 0 ? 0 : static_cast<unsigned>(first), ~0U);
  libc_closefrom(first);
}

// They close without asking for the name.
int fclose(FILE* stream) {
  const Ending ending(stream);
  return libc_fclose(stream);
}
FILE* freopen(const char* path, const char* mode, FILE* stream) {
  const Ending ending(stream);
  return libc_freopen(path, mode, stream);
}
FILE* freopen64(const char* path, const char* mode, FILE* stream) {
  return freopen(path, mode, stream);
}

// All that follows the command is one word or nothing.

int fcntl(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return control(fd, command, argument);
}
int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  return control(fd, command, argument);
}
int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list rest;
  va_start(rest, request);
  void* const argument = va_arg(rest, void*);
  va_end(rest);
  if (request != FIONBIO) return libc_ioctl(fd, request, argument);
  const NotBorrowed alone(fd);
  return libc_ioctl(fd, request, argument);
}

}  // extern "C"
