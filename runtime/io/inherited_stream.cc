#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/owned_fd.h>
#include <weft/standard_streams.h>

#include <cerrno>
#include <string>
#include <utility>

#include "io/io_error.h"
#include "io/stream_state.h"
#include "io/terminal.h"

namespace weft {

namespace detail {
namespace {

struct Opened {
  OwnedFd fd;
  StreamKind kind = StreamKind::kSharedFile;
  int error = 0;
};

// Not inlined where a fiber has suspended: compilers keep errno's address across calls.
[[gnu::noinline]] Opened open_inherited(int fd) noexcept {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return {.fd = OwnedFd(), .error = errno};
  Opened opened;
  if (S_ISSOCK(status.st_mode)) opened.kind = StreamKind::kSharedSocket;
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) opened.kind = StreamKind::kDisk;
  if (S_ISCHR(status.st_mode)) {
    opened.fd = open_terminal_anew(fd);
    if (opened.fd) opened.kind = StreamKind::kFile;
  }
  if (!opened.fd) opened.fd.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!opened.fd) opened.error = errno;
  return opened;
}

}  // namespace
}  // namespace detail

using detail::StreamState;

InheritedStream::InheritedStream(std::unique_ptr<StreamState>&& state) noexcept
    : Stream(std::move(state)) {}

InheritedStream InheritedStream::open(int fd, std::string_view name) {
  detail::Opened opened = detail::open_inherited(fd);
  if (opened.error != 0) detail::throw_io_error(opened.error, "open", std::string(name));
  detail::Descriptor owned(opened.fd.release());
  auto state = std::make_unique<StreamState>(std::move(owned), opened.kind, std::string(name));
  if (opened.kind == detail::StreamKind::kSharedFile) {
    state->calls = std::make_unique<detail::BlockingCalls>();
  }
  return InheritedStream(std::move(state));
}

InheritedStream standard_input() { return InheritedStream::open(STDIN_FILENO, "standard input"); }
InheritedStream standard_output() {
  return InheritedStream::open(STDOUT_FILENO, "standard output");
}
InheritedStream standard_error() { return InheritedStream::open(STDERR_FILENO, "standard error"); }

}  // namespace weft
