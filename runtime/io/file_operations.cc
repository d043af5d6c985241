// Files by threads of the blocking pool, or, what a driver takes, by the kernel. What is in the
// page cache is read and written at once, for the way to a thread and back costs more than most of
// that: RWF_NOWAIT makes the kernel answer EAGAIN where it would have to wait for the disk, and
// EOPNOTSUPP where it cannot tell.

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/sleep.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "io/file_operations.h"
#include "io/pool_call.h"
#include "sched/wait.h"

namespace weft::detail {

namespace {

// A call at once keeps its worker for some tens of microseconds at most, one on the pool, which
// cannot be interrupted, for some milliseconds.
constexpr std::size_t kMostAtOnce = std::size_t{256} * 1024;
constexpr std::size_t kMostOnPool = std::size_t{1} << 20;

// These read errno and never suspend; not inlined, as compilers keep its address across calls.

template <class Call>
[[gnu::noinline]] IoResult result_of(Call call) noexcept {
  for (;;) {
    const ssize_t count = call();
    if (count >= 0) return {.count = static_cast<std::size_t>(count)};
    if (errno != EINTR) return {.error = errno};
  }
}

// With the number held for as long as the call takes.
template <class Call>
IoResult held(const Descriptor& file, Call call) noexcept {
  const FdOperation operation(file);
  if (!operation) return {.error = EBADF};
  return result_of([&] { return call(operation.fd()); });
}

template <class Call>
IoResult on_pool_held(const Descriptor& file, Call call) {
  const FdOperation operation(file);
  if (!operation) return {.error = EBADF};
  IoResult result;
  on_pool([&]() noexcept {
    // It may have been closed while this was queued.
    result = file.is_open() ? result_of([&] { return call(operation.fd()); })
                            : IoResult{.error = ECANCELED};
  });
  return result;
}

// A FIFO is refused before it is opened, which would already tell its other end something.
// O_NONBLOCK keeps all else from making the thread wait: a FIFO that has just come in the place of
// what was asked about, a serial line without a carrier, a file that somebody has a lease on. Of
// block devices it asks something else (to be opened without a medium).
[[gnu::noinline]] IoResult open_at_once(const char* path, int flags, mode_t mode) noexcept {
  struct stat status {};
  const bool exists = ::stat(path, &status) == 0;
  if (exists && S_ISFIFO(status.st_mode)) return {.error = ESPIPE};
  const bool asked_for = (flags & (O_NONBLOCK | O_PATH)) != 0;
  const bool adds = !asked_for && !(exists && S_ISBLK(status.st_mode));
  const IoResult result =
      result_of([&] { return ::open(path, flags | O_CLOEXEC | (adds ? O_NONBLOCK : 0), mode); });
  if (result.error != 0 || !adds) return result;
  const int fd = static_cast<int>(result.count);
  const int now = ::fcntl(fd, F_GETFL);
  if (now >= 0 && ::fcntl(fd, F_SETFL, now & ~O_NONBLOCK) == 0) return result;
  const int error = errno;
  ::close(fd);
  return {.error = error};
}

IoResult try_open(const std::string& path, int flags, mode_t mode, Descriptor& opened) {
  IoResult result;
  on_pool([&]() noexcept {
    result = open_at_once(path.c_str(), flags, mode);
    if (result.error != 0) return;
    try {
      opened = Descriptor(static_cast<int>(result.count));
    } catch (...) {
      result.error = EMFILE;  // no entry for it; it is closed
    }
  });
  return result;
}

IoResult open_file(const std::string& path, int flags, mode_t mode, Descriptor& opened) {
  // A blocking open(2) would wait for the holder of a lease, or for a device. The fiber does
  // instead, and can be cancelled.
  constexpr auto kFirst = std::chrono::milliseconds(1), kLast = std::chrono::milliseconds(50);
  for (std::chrono::milliseconds pause = kFirst;; pause = std::min(2 * pause, kLast)) {
    const IoResult result = try_open(path, flags, mode, opened);
    if (result.error != EAGAIN || (flags & O_NONBLOCK) != 0) return result;
    sleep_for(pause);
  }
}

bool would_wait(const IoResult& result) noexcept {
  return result.error == EAGAIN || result.error == EOPNOTSUPP;
}

IoResult read_cached(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset) {
  if (spend_budget()) throw Cancelled{};
  const iovec part{into.data(), std::min(into.size(), kMostAtOnce)};
  return held(file, [&](int fd) {
    return ::preadv2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  });
}

IoResult write_cached(const Descriptor& file, std::span<const std::byte> data,
                      std::uint64_t offset) {
  if (spend_budget()) throw Cancelled{};
  const iovec part{const_cast<std::byte*>(data.data()), std::min(data.size(), kMostAtOnce)};
  return held(file, [&](int fd) {
    return ::pwritev2(fd, &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
  });
}

IoResult read_on_pool(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset) {
  const std::size_t most = std::min(into.size(), kMostOnPool);
  return on_pool_held(
      file, [&](int fd) { return ::pread(fd, into.data(), most, static_cast<off_t>(offset)); });
}

IoResult write_on_pool(const Descriptor& file, std::span<const std::byte> data,
                       std::uint64_t offset) {
  const std::size_t most = std::min(data.size(), kMostOnPool);
  return on_pool_held(
      file, [&](int fd) { return ::pwrite(fd, data.data(), most, static_cast<off_t>(offset)); });
}

IoResult read_at(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset) {
  const IoResult cached = read_cached(file, into, offset);
  return would_wait(cached) ? read_on_pool(file, into, offset) : cached;
}

IoResult write_at(const Descriptor& file, std::span<const std::byte> data, std::uint64_t offset) {
  const IoResult cached = write_cached(file, data, offset);
  return would_wait(cached) ? write_on_pool(file, data, offset) : cached;
}

IoResult size_of(const Descriptor& file, std::uint64_t& size) {
  struct stat status {};
  const IoResult result = on_pool_held(file, [&](int fd) { return ::fstat(fd, &status); });
  size = static_cast<std::uint64_t>(status.st_size);
  return result;
}

IoResult truncate(const Descriptor& file, std::uint64_t size) {
  return on_pool_held(file, [&](int fd) { return ::ftruncate(fd, static_cast<off_t>(size)); });
}

IoResult sync(const Descriptor& file, bool with_metadata) {
  return on_pool_held(file, [&](int fd) { return with_metadata ? ::fsync(fd) : ::fdatasync(fd); });
}

// On the pool, for sendfile(2) waits for the disk although the socket does not block. There
// SIGPIPE, which it cannot be told not to send, is blocked.
IoResult send(const Descriptor& file, std::uint64_t offset, std::size_t count,
              const Descriptor& socket) {
  const FdOperation to(socket);
  if (!to) return {.error = EBADF};
  auto at = static_cast<off_t>(offset);
  const std::size_t most = std::min(count, kMostOnPool);
  return on_pool_held(file, [&](int fd) { return ::sendfile(to.fd(), fd, &at, most); });
}

// The same by the kernel.

IoResult read_by_driver(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset) {
  const IoResult cached = read_cached(file, into, offset);
  if (!would_wait(cached)) return cached;
  const auto some = into.first(std::min(into.size(), kMostOnPool));
  const IoResult result = current_reactor()->read_at(file, some, offset);
  // It was opened without blocking, and is of a kind that knows no other way.
  return result.error == EAGAIN ? read_on_pool(file, some, offset) : result;
}

IoResult write_by_driver(const Descriptor& file, std::span<const std::byte> data,
                         std::uint64_t offset) {
  const IoResult cached = write_cached(file, data, offset);
  if (!would_wait(cached)) return cached;
  const auto some = data.first(std::min(data.size(), kMostOnPool));
  const IoResult result = current_reactor()->write_at(file, some, offset);
  return result.error == EAGAIN ? write_on_pool(file, some, offset) : result;
}

IoResult sync_by_driver(const Descriptor& file, bool with_metadata) {
  return current_reactor()->sync(file, with_metadata);
}

constexpr FileOperations kPoolFiles{
    .open = &open_file,
    .read_at = &read_at,
    .write_at = &write_at,
    .size = &size_of,
    .truncate = &truncate,
    .sync = &sync,
    .send = &send,
};

constexpr FileOperations kDriverFiles{
    .open = &open_file,
    .read_at = &read_by_driver,
    .write_at = &write_by_driver,
    .size = &size_of,
    .truncate = &truncate,
    .sync = &sync_by_driver,
    .send = &send,
};

}  // namespace

const FileOperations& file_operations() noexcept {
  const Reactor* const reactor = current_reactor();
  return reactor != nullptr && reactor->takes_files() ? kDriverFiles : kPoolFiles;
}

}  // namespace weft::detail
