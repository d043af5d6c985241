#include <weft/pipe.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "io/io_error.h"
#include "io/stream_state.h"

namespace weft {

using detail::StreamKind;
using detail::StreamState;

namespace {

// Those that look at errno are not inlined where a fiber has suspended: compilers keep its address
// across calls.

std::unique_ptr<StreamState> end_of_pipe(detail::Descriptor&& owned) {
  return std::make_unique<StreamState>(std::move(owned), StreamKind::kFile, "pipe");
}

// 0, or why the descriptor cannot be such an end.
[[gnu::noinline]] int prepare_end(int fd, int access) noexcept {
  struct stat status;
  if (::fstat(fd, &status) != 0) return errno;
  if (!S_ISFIFO(status.st_mode)) return EINVAL;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  if ((flags & O_ACCMODE) != access && (flags & O_ACCMODE) != O_RDWR) return EINVAL;
  if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : errno;
}

std::unique_ptr<StreamState> adopt_end(int fd, int access, const char* operation) {
  // Looked at before it is owned: a number that is not open is nobody's to close.
  const int error = prepare_end(fd, access);
  if (error == EBADF) detail::throw_io_error(EBADF, operation, "descriptor " + std::to_string(fd));
  auto state = end_of_pipe(detail::Descriptor(fd));
  if (error != 0) {
    throw std::system_error(error, std::system_category(),
                            std::string(operation) + " descriptor " + std::to_string(fd) +
                                (error == EINVAL ? ": it is no such end of a pipe" : ""));
  }
  return state;
}

[[gnu::noinline]] int open_pipe(int (&ends)[2]) noexcept {
  return ::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : errno;
}

}  // namespace

PipeReader::PipeReader(std::unique_ptr<StreamState>&& state) noexcept : Stream(std::move(state)) {}
PipeWriter::PipeWriter(std::unique_ptr<StreamState>&& state) noexcept : Stream(std::move(state)) {}

PipeReader PipeReader::adopt(int fd) { return PipeReader(adopt_end(fd, O_RDONLY, "read from")); }

PipeWriter PipeWriter::adopt(int fd) { return PipeWriter(adopt_end(fd, O_WRONLY, "write to")); }

Pipe Pipe::open() {
  int ends[2];
  if (const int error = open_pipe(ends)) detail::throw_io_error(error, "open", "a pipe");
  // Both owned before there is anything that may fail.
  detail::Descriptor read_end;
  try {
    read_end = detail::Descriptor(ends[0]);
  } catch (...) {
    ::close(ends[1]);
    throw;
  }
  detail::Descriptor write_end(ends[1]);
  return {PipeReader(end_of_pipe(std::move(read_end))),
          PipeWriter(end_of_pipe(std::move(write_end)))};
}

}  // namespace weft
