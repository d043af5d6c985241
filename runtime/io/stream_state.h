#pragma once

// What is behind the handles. On the heap, so that a handle can be moved while its address is what
// others hold. Made from a Descriptor, not from a number: whoever finds no memory for the state
// must own the number by then, or it is never closed.

#include <weft/address.h>
#include <weft/stream.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "io/blocking_calls.h"
#include "io/read_buffer.h"
#include "reactor/fd_table.h"

namespace weft::detail {

/// What is behind a stream, which decides how it is read and written.
enum class StreamKind : std::uint8_t {
  kSocket,
  // Descriptors that travel with bytes end what one call reads: fewer bytes than asked for do not
  // mean that there are no more, as Reactor::receive() takes it.
  kUnixSocket,
  kFile,  // non-blocking and no socket: a pipe, a terminal
  // Others have the same open file, and whether it blocks is theirs to say: see io/shared_file.h.
  kSharedSocket,
  kSharedFile,
  kDisk,
};

/// For what works on any stream's descriptor.
struct StreamAccess {
  static StreamState& state(const Stream& stream, const char* operation) {
    return stream.state(operation);
  }
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
  ReadBuffer received;                   // by whoever reads
  std::unique_ptr<BlockingCalls> calls;  // for a kSharedFile
};

/// Where a socket is bound; the empty address, and errno, when it cannot be told.
SocketAddress bound_address(int fd) noexcept;
/// The same of whom it is connected to.
SocketAddress peer_address(int fd) noexcept;

}  // namespace weft::detail
