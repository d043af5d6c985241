#include "hook/borrowed.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstddef>

#include "base/atomic.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

// What follows the command is one word or nothing.
constinit Libc<int, int, int, long> libc_fcntl{"fcntl"};

using detail::Atomic;
using detail::Spinlock;

// By what tells files apart, however many descriptors they have. Few are borrowed at a time, so
// several share a lock.
constexpr std::size_t kLocks = 64;
constinit Spinlock g_locks[kLocks];

// How many have been borrowed and given back. Raised before the flag is set and after it has been
// taken off, so if neither has moved since they were equal, nobody had set a flag meanwhile.
// [borrow]
constinit Atomic<unsigned> g_borrowed{0};
constinit Atomic<unsigned> g_returned{0};

Spinlock* lock_of(int fd) noexcept {
  const int error = errno;
  struct stat status;
  const bool open = ::fstat(fd, &status) == 0;
  errno = error;
  return open ? &g_locks[status.st_ino % kLocks] : nullptr;
}

Spinlock* take_lock_of(int fd) noexcept {
  Spinlock* const lock = lock_of(fd);
  if (lock != nullptr) lock->lock();
  return lock;
}

}  // namespace

Borrowed::Borrowed(int fd) noexcept : fd_(fd), lock_(take_lock_of(fd)) {
  if (lock_ == nullptr) return;
  flags_ = libc_fcntl(fd, F_GETFL, 0);
  if (was_nonblocking()) return;
  g_borrowed.fetch_add(1, std::memory_order_seq_cst);  // [borrow]
  libc_fcntl(fd, F_SETFL, flags_ | O_NONBLOCK);
}

Borrowed::~Borrowed() {
  if (lock_ == nullptr) return;
  if (!was_nonblocking()) {
    const int error = errno;
    libc_fcntl(fd_, F_SETFL, flags_);
    errno = error;
    g_returned.fetch_add(1, std::memory_order_seq_cst);  // [borrow]
  }
  lock_->unlock();
}

bool Borrowed::was_nonblocking() const noexcept { return flags_ < 0 || (flags_ & O_NONBLOCK) != 0; }

void Borrowed::forget_parent() noexcept {
  for (Spinlock& lock : g_locks) lock.unlock();
  // As few files as ever are taken for borrowed.
  g_returned.store(g_borrowed.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

int flags_of(int fd) noexcept {
  const unsigned returned = g_returned.load(std::memory_order_seq_cst);  // [borrow]
  const int flags = libc_fcntl(fd, F_GETFL, 0);
  if (flags < 0 || (flags & O_NONBLOCK) == 0) return flags;
  if (g_borrowed.load(std::memory_order_seq_cst) == returned) return flags;  // [borrow]
  const NotBorrowed alone(fd);
  return libc_fcntl(fd, F_GETFL, 0);
}

NotBorrowed::NotBorrowed(int fd) noexcept : lock_(take_lock_of(fd)) {}

NotBorrowed::~NotBorrowed() {
  if (lock_ != nullptr) lock_->unlock();
}

}  // namespace weft::hook
