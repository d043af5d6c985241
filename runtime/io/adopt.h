#pragma once

#include <cstdint>

#include "reactor/fd_table.h"

namespace weft::detail {

/// What a socket that somebody else has opened is to be here.
enum class SocketRole : std::uint8_t {
  kTcpConnection,
  kTcpListener,
  kUnixConnection,
  kUnixListener,
  kUdpSocket,
};

/// Takes over a socket, and makes it non-blocking and closed on exec. Throws std::system_error that
/// says what it is instead; then the descriptor is closed, unless it never was open.
Descriptor adopt_socket(int fd, SocketRole role);

}  // namespace weft::detail
