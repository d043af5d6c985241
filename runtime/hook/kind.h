#pragma once

// What is behind a descriptor decides how a call on it is kept from blocking.

#include <cstdint>

namespace weft::hook {

enum class Kind : std::uint8_t {
  kUnknown,
  kSocket,  ///< Takes MSG_DONTWAIT.
  kPipe,    ///< Or an eventfd, a timerfd. Takes RWF_NOWAIT, where the kernel is recent enough.
  kDisk,    ///< A file or a directory: nobody can wait for it.
  kOther,   ///< A terminal, a device: shared with others, so one looks first, and then calls.
};

/// Looked up once, and remembered by number, but for files on disk. It may be another's that had
/// the number before, and was closed behind our back: a call that finds it so says forget_kind()
/// and asks again.
Kind kind_of(int fd) noexcept;
void forget_kind(int fd) noexcept;
void forget_kinds(unsigned first, unsigned last) noexcept;

}  // namespace weft::hook
