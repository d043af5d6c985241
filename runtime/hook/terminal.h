#pragma once

// Terminals and other devices, which others use, too: no flag of theirs may be changed, not even
// for a moment.

#include <sys/types.h>
#include <sys/uio.h>

#include <span>

namespace weft::hook {

/// In a fiber, of a blocking descriptor: readv(2) and writev(2), as far as they do not block.
/// EAGAIN: they would until it is ready. Where a terminal's VMIN and VTIME ask for another wait
/// than that, the first waits itself.
ssize_t read_device(int fd, std::span<const iovec> into) noexcept;
ssize_t write_device(int fd, std::span<const iovec> from) noexcept;

}  // namespace weft::hook
