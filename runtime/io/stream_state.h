#pragma once

// What is behind the handles. On the heap, so that a handle can be moved while its address is what
// others hold. Made from a Descriptor, not from a number: whoever finds no memory for the state
// must own the number by then, or it is never closed.

#include <weft/address.h>

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

#include "io/read_buffer.h"
#include "reactor/fd_table.h"

namespace weft::detail {

/// What is behind a stream, which decides how it is read and written.
enum class StreamKind : std::uint8_t {
  kSocket,
  kFile,  // non-blocking and no socket: a pipe, a terminal
  // Others have the same open file, and whether it blocks is theirs to say: see io/shared_file.h.
  kSharedSocket,
  kSharedFile,
  kDisk,
};

struct StreamState {
  /// A connection over the internet.
  StreamState(Descriptor&& owned, const SocketAddress& other_side)
      : descriptor(std::move(owned)), peer(other_side) {}
  /// Anything else: `name` is what errors call the other side.
  StreamState(Descriptor&& owned, StreamKind what, std::string name)
      : descriptor(std::move(owned)), kind(what), peer(std::move(name)) {}

  /// The other side's address; the empty one if it has none.
  SocketAddress address() const noexcept {
    const auto* const known = std::get_if<SocketAddress>(&peer);
    return known != nullptr ? *known : SocketAddress();
  }
  /// The other side, for people.
  std::string name() const {
    const auto* const known = std::get_if<std::string>(&peer);
    return known != nullptr ? *known : address().to_string();
  }

  Descriptor descriptor;
  const StreamKind kind = StreamKind::kSocket;
  const std::variant<SocketAddress, std::string> peer;
  ReadBuffer received;  // by whoever reads
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
