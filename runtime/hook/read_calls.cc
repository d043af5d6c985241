// read(2) and its like. Each is libc's call in a plain thread.

#include <sys/uio.h>
#include <unistd.h>

#include "hook/disk.h"
#include "hook/libc.h"
#include "hook/transfer.h"

namespace weft::hook {

namespace {

WEFT_LIBC(read);
WEFT_LIBC(readv);
WEFT_LIBC(pread);
WEFT_LIBC(preadv);
WEFT_LIBC(preadv2);

bool reads_disk(int fd) noexcept { return in_fiber() && kind_of(fd) == Kind::kDisk; }

ssize_t read_at(int fd, void* into, std::size_t size, off_t offset) {
  if (offset < 0 || !reads_disk(fd)) return libc_pread(fd, into, size, offset);
  const iovec part{into, size};
  return read_disk(fd, {&part, 1}, offset);
}

ssize_t read_parts_at(int fd, const iovec* parts, int count, off_t offset) {
  if (offset < 0 || !Parts::are_valid(parts, count) || !reads_disk(fd)) {
    return libc_preadv(fd, parts, count, offset);
  }
  return read_disk(fd, {parts, static_cast<std::size_t>(count)}, offset);
}

ssize_t read_parts(int fd, const iovec* parts, int count) {
  if (!in_fiber() || !Parts::are_valid(parts, count)) return libc_readv(fd, parts, count);
  return read_in_fiber(fd, {parts, static_cast<std::size_t>(count)});
}

ssize_t read_parts_with_flags(int fd, const iovec* parts, int count, off_t offset, int flags) {
  if (offset == -1 && flags == 0) return read_parts(fd, parts, count);
  if ((flags & RWF_NOWAIT) != 0 || offset < -1 || !Parts::are_valid(parts, count) ||
      !reads_disk(fd)) {
    return libc_preadv2(fd, parts, count, offset, flags);
  }
  return read_disk(fd, {parts, static_cast<std::size_t>(count)}, offset, flags);
}

}  // namespace
}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

[[noreturn]] void __chk_fail();  // NOLINT(bugprone-reserved-identifier)

[[gnu::hot]] ssize_t read(int fd, void* into, size_t size) {
  return in_fiber() ? read_in_fiber(fd, into, size) : libc_read(fd, into, size);
}

// NOLINTBEGIN(bugprone-reserved-identifier): the names are libc's

ssize_t __read(int fd, void* into, size_t size) { return read(fd, into, size); }

// What a fortified program calls.
ssize_t __read_chk(int fd, void* into, size_t size, size_t room) {
  if (size > room) __chk_fail();
  return read(fd, into, size);
}
ssize_t __pread_chk(int fd, void* into, size_t size, off_t offset, size_t room) {
  if (size > room) __chk_fail();
  return read_at(fd, into, size, offset);
}
ssize_t __pread64_chk(int fd, void* into, size_t size, off64_t offset, size_t room) {
  if (size > room) __chk_fail();
  return read_at(fd, into, size, offset);
}

// NOLINTEND(bugprone-reserved-identifier)

ssize_t readv(int fd, const iovec* parts, int count) { return read_parts(fd, parts, count); }

ssize_t pread(int fd, void* into, size_t size, off_t offset) {
  return read_at(fd, into, size, offset);
}
ssize_t pread64(int fd, void* into, size_t size, off64_t offset) {
  return read_at(fd, into, size, offset);
}
ssize_t preadv(int fd, const iovec* parts, int count, off_t offset) {
  return read_parts_at(fd, parts, count, offset);
}
ssize_t preadv64(int fd, const iovec* parts, int count, off64_t offset) {
  return read_parts_at(fd, parts, count, offset);
}
ssize_t preadv2(int fd, const iovec* parts, int count, off_t offset, int flags) {
  return read_parts_with_flags(fd, parts, count, offset, flags);
}
ssize_t preadv64v2(int fd, const iovec* parts, int count, off64_t offset, int flags) {
  return read_parts_with_flags(fd, parts, count, offset, flags);
}

}  // extern "C"
