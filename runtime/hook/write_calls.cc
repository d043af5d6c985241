// write(2) and its like. Each is libc's call in a plain thread.

#include <sys/uio.h>
#include <unistd.h>

#include "hook/disk.h"
#include "hook/libc.h"
#include "hook/transfer.h"

namespace weft::hook {

namespace {

WEFT_LIBC(write);
WEFT_LIBC(writev);
WEFT_LIBC(pwrite);
WEFT_LIBC(pwritev);
WEFT_LIBC(pwritev2);
WEFT_LIBC(fsync);
WEFT_LIBC(fdatasync);

bool writes_disk(int fd) noexcept { return in_fiber() && kind_of(fd) == Kind::kDisk; }

ssize_t write_at(int fd, const void* from, std::size_t size, off_t offset) {
  if (offset < 0 || !writes_disk(fd)) return libc_pwrite(fd, from, size, offset);
  const iovec part{const_cast<void*>(from), size};
  return write_disk(fd, {&part, 1}, offset);
}

ssize_t write_parts_at(int fd, const iovec* parts, int count, off_t offset) {
  if (offset < 0 || !Parts::are_valid(parts, count) || !writes_disk(fd)) {
    return libc_pwritev(fd, parts, count, offset);
  }
  return write_disk(fd, {parts, static_cast<std::size_t>(count)}, offset);
}

ssize_t write_parts(int fd, const iovec* parts, int count) {
  if (!in_fiber() || !Parts::are_valid(parts, count)) return libc_writev(fd, parts, count);
  return write_in_fiber(fd, {parts, static_cast<std::size_t>(count)});
}

ssize_t write_parts_with_flags(int fd, const iovec* parts, int count, off_t offset, int flags) {
  if (offset == -1 && flags == 0) return write_parts(fd, parts, count);
  if ((flags & RWF_NOWAIT) != 0 || offset < -1 || !Parts::are_valid(parts, count) ||
      !writes_disk(fd)) {
    return libc_pwritev2(fd, parts, count, offset, flags);
  }
  return write_disk(fd, {parts, static_cast<std::size_t>(count)}, offset, flags);
}

template <class Sync>
int sync_file(int fd, Sync& sync) {
  if (!writes_disk(fd)) return sync(fd);
  const ErrnoScope scope;
  int result = -1;
  auto call = [&]() noexcept { result = sync(fd); };
  return on_thread(call) && result >= 0 ? scope.succeed(result) : -1;
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

ssize_t write(int fd, const void* from, size_t size) {
  return in_fiber() ? write_in_fiber(fd, from, size) : libc_write(fd, from, size);
}
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name is libc's
ssize_t __write(int fd, const void* from, size_t size) { return write(fd, from, size); }

ssize_t writev(int fd, const iovec* parts, int count) { return write_parts(fd, parts, count); }

ssize_t pwrite(int fd, const void* from, size_t size, off_t offset) {
  return write_at(fd, from, size, offset);
}
ssize_t pwrite64(int fd, const void* from, size_t size, off64_t offset) {
  return write_at(fd, from, size, offset);
}
ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  return write_parts_at(fd, parts, count, offset);
}
ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) {
  return write_parts_at(fd, parts, count, offset);
}
ssize_t pwritev2(int fd, const iovec* parts, int count, off_t offset, int flags) {
  return write_parts_with_flags(fd, parts, count, offset, flags);
}
ssize_t pwritev64v2(int fd, const iovec* parts, int count, off64_t offset, int flags) {
  return write_parts_with_flags(fd, parts, count, offset, flags);
}

int fsync(int fd) { return sync_file(fd, libc_fsync); }
int fdatasync(int fd) { return sync_file(fd, libc_fdatasync); }

}  // extern "C"
