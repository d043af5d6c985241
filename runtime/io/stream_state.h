#pragma once

// What is behind the handles. On the heap, so that a handle can be moved while its address is what
// others hold.

#include <weft/address.h>

#include <utility>

#include "io/read_buffer.h"
#include "reactor/fd_table.h"

namespace weft::detail {

struct StreamState {
  StreamState(int fd, const SocketAddress& other_side) : descriptor(fd), peer(other_side) {}

  Descriptor descriptor;
  const SocketAddress peer;
  ReadBuffer received;  // by whoever reads
};

struct ListenerState {
  ListenerState(int fd, const SocketAddress& address) : descriptor(fd), local(address) {}

  Descriptor descriptor;
  SocketAddress local;  // constant once it listens
};

/// Where a socket is bound; the empty address when it cannot be told.
SocketAddress bound_address(int fd) noexcept;

}  // namespace weft::detail
