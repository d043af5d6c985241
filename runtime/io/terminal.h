#pragma once

#include <weft/owned_fd.h>

namespace weft::detail {

/// Whether it is the master of a pair, whose other end is the terminal.
bool is_terminal_master(int fd) noexcept;

/// The same terminal with an O_NONBLOCK of its own; none where it cannot be had: it may be another
/// user's, or the file system may not be there.
OwnedFd open_terminal_anew(int fd) noexcept;

}  // namespace weft::detail
