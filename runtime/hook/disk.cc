#include "hook/disk.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "hook/caller.h"
#include "hook/libc.h"
#include "hook/parts.h"

namespace weft::hook {

namespace {

WEFT_LIBC(preadv2);
WEFT_LIBC(pwritev2);

using Call = Libc<ssize_t, int, const iovec*, int, off_t, int>;

constexpr off_t kOwnPosition = -1;

ssize_t make(Call& call, int fd, std::span<const iovec> parts, off_t offset, int flags) noexcept {
  return call(fd, parts.data(), static_cast<int>(parts.size()), offset, flags);
}

ssize_t make_on_thread(Call& call, int fd, std::span<const iovec> parts, off_t offset,
                       int flags) noexcept {
  ssize_t count = -1;
  auto once = [&]() noexcept { count = make(call, fd, parts, offset, flags); };
  return on_thread(once) ? count : -1;
}

// At an offset nobody minds in how many pieces it is done.
ssize_t transfer(Call& call, int fd, std::span<const iovec> given, off_t offset,
                 int flags) noexcept {
  const ErrnoScope scope;
  Parts parts(given);
  std::size_t done = 0;
  bool now = begin_call();
  if (!now) return -1;
  for (std::size_t size = parts.size(); done < size;) {
    const std::span<const iovec> left = parts.left();
    const off_t at = offset + static_cast<off_t>(done);
    const ssize_t count = now ? make(call, fd, left, at, flags | RWF_NOWAIT)
                              : make_on_thread(call, fd, left, at, flags);
    if (count < 0 && now && (errno == EAGAIN || refuses_nowait(errno))) {
      now = false;
      continue;
    }
    if (count < 0) return done > 0 ? scope.succeed(static_cast<ssize_t>(done)) : -1;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
    parts.skip(static_cast<std::size_t>(count));
  }
  return scope.succeed(static_cast<ssize_t>(done));
}

// All there is up to the end of the file; -1: not all of that is in memory.
ssize_t read_from_memory(int fd, std::span<const iovec> into, off_t offset, int flags) noexcept {
  Parts parts(into);
  std::size_t done = 0;
  for (std::size_t size = parts.size(); done < size;) {
    const ssize_t count =
        make(libc_preadv2, fd, parts.left(), offset + static_cast<off_t>(done), flags | RWF_NOWAIT);
    if (count < 0) return -1;
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
    parts.skip(static_cast<std::size_t>(count));
  }
  return static_cast<ssize_t>(done);
}

// The kernel keeps the position for one call, so what a call reads is one piece, whoever else reads
// there. One that does not block may end in the middle, and others could go between. So it is made
// beside the position, which moves when all has come: by one call that says where to.
ssize_t read_at_position(int fd, std::span<const iovec> into, int flags) noexcept {
  const ErrnoScope scope;
  if (!begin_call()) return -1;
  const off_t begin = ::lseek(fd, 0, SEEK_CUR);
  const ssize_t count = begin < 0 ? -1 : read_from_memory(fd, into, begin, flags);
  if (count < 0) {
    scope.succeed(0);
    return make_on_thread(libc_preadv2, fd, into, kOwnPosition, flags);
  }
  if (count == 0) return scope.succeed(count);
  const off_t taken = ::lseek(fd, count, SEEK_CUR) - count;
  if (taken == begin) return scope.succeed(count);
  // Somebody was quicker. What has been taken instead is nobody else's, however long it lasts.
  const ssize_t instead = transfer(libc_preadv2, fd, into, taken, flags);
  ::lseek(fd, std::max<ssize_t>(instead, 0) - count, SEEK_CUR);
  return instead;
}

}  // namespace

ssize_t read_disk(int fd, std::span<const iovec> into, off_t offset, int flags) noexcept {
  if (offset == kOwnPosition) return read_at_position(fd, into, flags);
  return transfer(libc_preadv2, fd, into, offset, flags);
}

// A write that ends in the middle cannot be taken back, neither at the file's position nor, with
// O_APPEND, at its end.
ssize_t write_disk(int fd, std::span<const iovec> from, off_t offset, int flags) noexcept {
  if (offset != kOwnPosition) return transfer(libc_pwritev2, fd, from, offset, flags);
  return begin_call() ? make_on_thread(libc_pwritev2, fd, from, offset, flags) : -1;
}

}  // namespace weft::hook
