#include "hook/kind.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/atomic.h"

namespace weft::hook {

namespace {

// As many as most programs may open; those above are looked up each time.
constexpr unsigned kRemembered = 1 << 16;

// Written by whoever looks a number up or closes it, read by anyone. They publish nothing, and may
// be wrong: see kind_of().
constinit detail::Atomic<Kind> g_kinds[kRemembered] = {};

Kind look_up(int fd) noexcept {
  const int error = errno;
  struct stat status;
  const bool open = ::fstat(fd, &status) == 0;
  errno = error;
  if (!open) return Kind::kUnknown;
  if (S_ISSOCK(status.st_mode)) return Kind::kSocket;
  if (S_ISFIFO(status.st_mode)) return Kind::kPipe;
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode)) {
    return Kind::kDisk;
  }
  if (S_ISCHR(status.st_mode)) return Kind::kOther;
  return Kind::kPipe;
}

}  // namespace

[[gnu::hot]] Kind kind_of(int fd) noexcept {
  const auto number = static_cast<unsigned>(fd);
  if (number >= kRemembered) return look_up(fd);
  Kind kind = g_kinds[number].load(std::memory_order_relaxed);
  if (kind == Kind::kUnknown) [[unlikely]] {
    kind = look_up(fd);
    // What is closed past the hooks would leave its kind to a socket: and of a file one reads on
    // until all has come.
    if (kind != Kind::kDisk) g_kinds[number].store(kind, std::memory_order_relaxed);
  }
  return kind;
}

void forget_kind(int fd) noexcept {
  const auto number = static_cast<unsigned>(fd);
  if (number < kRemembered) g_kinds[number].store(Kind::kUnknown, std::memory_order_relaxed);
}

void forget_kinds(unsigned first, unsigned last) noexcept {
  for (unsigned fd = first; fd <= std::min(last, kRemembered - 1); ++fd) {
    forget_kind(static_cast<int>(fd));
  }
}

}  // namespace weft::hook
