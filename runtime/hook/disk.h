#pragma once

// Files on disk, for which nobody can wait: what the kernel has in memory is read here and now, the
// rest is transferred on a thread that may block.

#include <sys/types.h>
#include <sys/uio.h>

#include <cerrno>
#include <span>

namespace weft::hook {

/// An error by which RWF_NOWAIT is said not to be for this file, or this kernel.
constexpr bool refuses_nowait(int error) noexcept {
  return error == EOPNOTSUPP || error == EINVAL || error == ENOSYS;
}

/// In a fiber: preadv2(2) and pwritev2(2). An offset of -1 is the file's own position.
ssize_t read_disk(int fd, std::span<const iovec> into, off_t offset, int flags = 0) noexcept;
ssize_t write_disk(int fd, std::span<const iovec> from, off_t offset, int flags = 0) noexcept;

}  // namespace weft::hook
