#pragma once

// Writing where nobody reads any more is an error of the call, EPIPE, and must not be a signal that
// kills the process. Sockets have MSG_NOSIGNAL for that. For pipes there is a flag since
// Linux 6.18; before, the signal, which is sent to the thread that writes, is blocked for the time
// of the call and taken off afterwards. For splice(2) there is no such flag, not even to a socket.
// It is neither ignored in the whole process nor blocked for longer, since both would be inherited
// by programs that are started meanwhile.

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>

namespace weft::detail {

/// writev(2) at the file's own position, with `flags` of pwritev2(2): -1 and errno. Sends no
/// SIGPIPE.
ssize_t write_quietly(int fd, const iovec* parts, std::size_t count, int flags = 0) noexcept;

/// The same as on older kernels.
ssize_t write_with_signal_blocked(int fd, const iovec* parts, std::size_t count,
                                  int flags = 0) noexcept;

/// splice(2) from the one's position to the other's, or to `offset`, without waiting for either: -1
/// and errno. At least one is a pipe. Sends no SIGPIPE.
ssize_t splice_quietly(int from, int to, off_t* offset, std::size_t count) noexcept;

}  // namespace weft::detail
