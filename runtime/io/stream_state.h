#pragma once

// What is behind the handles. On the heap, so that a handle can be moved while its address is what
// others hold. Made from a Descriptor, not from a number: whoever finds no memory for the state
// must own the number by then, or it is never closed.

#include <weft/address.h>
#include <weft/stream.h>

#include <utility>

#include "io/read_buffer.h"
#include "reactor/fd_table.h"

namespace weft::detail {

struct StreamState {
  StreamState(Descriptor&& owned, const SocketAddress& other_side)
      : descriptor(std::move(owned)), peer(other_side) {}

  Descriptor descriptor;
  const SocketAddress peer;
  ReadBuffer received;  // by whoever reads
};

/// For what works on any stream's descriptor.
struct StreamAccess {
  static StreamState& state(const Stream& stream, const char* operation) {
    return stream.state(operation);
  }
};

struct ListenerState {
  ListenerState(Descriptor&& owned, const SocketAddress& address)
      : descriptor(std::move(owned)), local(address) {}

  Descriptor descriptor;
  SocketAddress local;  // constant once it listens
};

/// Where a socket is bound; the empty address, and errno, when it cannot be told.
SocketAddress bound_address(int fd) noexcept;

}  // namespace weft::detail
