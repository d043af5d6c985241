#pragma once

// What the I/O layer asks of a driver: operations that return when they are done. How a driver gets
// there (by waiting until the call may succeed, or by handing the call to the kernel) is its own
// affair.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "reactor/fd_table.h"
#include "sched/driver.h"

namespace weft::detail {

/// How an operation ended: by errno `error`, or, if that is 0, with `count` (bytes, or the new
/// descriptor). EBADF: the descriptor was closed before. ECANCELED: it was closed meanwhile.
struct IoResult {
  int error = 0;
  std::size_t count = 0;
};

/// The operations are called by a fiber of the runtime that the reactor belongs to. They suspend
/// while they must, and throw Cancelled, in which case nothing has been transferred and the
/// descriptor is as it was. Several may run on one descriptor at once.
class Reactor : public Driver {
 public:
  /// Receives some bytes; none at the end of the stream.
  virtual IoResult receive(const Descriptor& socket, std::span<std::byte> into) = 0;
  /// Sends some bytes of the parts, in order. At most kMostParts parts.
  virtual IoResult send(const Descriptor& socket, std::span<const iovec> parts) = 0;
  /// The same for what is no socket: pipes and terminals.
  virtual IoResult read(const Descriptor& file, std::span<std::byte> into) = 0;
  virtual IoResult write(const Descriptor& file, std::span<const iovec> parts) = 0;
  /// recvmsg(2) and sendmsg(2): datagrams, descriptors. `message` is as those want it.
  virtual IoResult receive_message(const Descriptor& socket, msghdr& message, int flags) = 0;
  virtual IoResult send_message(const Descriptor& socket, const msghdr& message) = 0;
  /// Waits until a call of that direction would not block, whoever makes it. EPERM: it is of a kind
  /// that never blocks, or that cannot tell.
  virtual IoResult wait_ready(const Descriptor& descriptor, Direction direction) = 0;
  /// Takes a connection; the new descriptor is non-blocking and closed on exec. `size` is the room
  /// at `peer`, and then what it needs.
  virtual IoResult accept(const Descriptor& listener, sockaddr* peer, socklen_t& size) = 0;
  /// Cancelled, it leaves a socket that is good for nothing but closing.
  virtual IoResult connect(const Descriptor& socket, const sockaddr* peer, socklen_t size) = 0;

  static constexpr std::size_t kMostParts = 64;  // well below IOV_MAX
};

/// The reactor of the runtime that runs the caller; null on any other thread.
Reactor* current_reactor() noexcept;

}  // namespace weft::detail
