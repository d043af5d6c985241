#pragma once

// What the I/O layer asks of a driver: operations that return when they are done. All try where the
// call may succeed. Where it must fail it is the driver's affair how to go on: it waits until the
// call may succeed, or hands the call to the kernel. Files on disk, for which nobody can wait, only
// some drivers know how to serve.

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "reactor/fd_table.h"
#include "reactor/foreign_waits.h"
#include "sched/driver.h"

namespace weft::detail {

/// How an operation ended: by errno `error`, or, if that is 0, with `count` (bytes, or the new
/// descriptor). EBADF: the descriptor was closed before. ECANCELED: it was closed meanwhile.
struct IoResult {
  int error = 0;
  std::size_t count = 0;
};

/// Takes one connection after another from a listener, for one fiber, which also ends it.
class Acceptor {
 public:
  virtual ~Acceptor() = default;
  /// As Reactor::accept().
  virtual IoResult next(sockaddr* peer, socklen_t& size) = 0;
  /// Takes none until it is asked again. Suspends, and is not cancelled.
  virtual void rest() = 0;
};

/// What a driver may do for the operation that waits, beyond waiting.
struct Handover {
  enum class Call : std::uint8_t { kNone, kReceive, kSend, kAccept };
  Call call = Call::kNone;
  std::span<std::byte> into = {};        ///< kReceive
  std::span<const std::byte> from = {};  ///< kSend
  sockaddr* peer = nullptr;              ///< kAccept
  socklen_t* size = nullptr;             ///< kAccept: the room at `peer`, and then what it needs.
};

/// A call on a file on disk. It takes as long as the disk, and cannot be waited for beforehand.
struct FileCall {
  enum class Call : std::uint8_t { kRead, kWrite, kSync };
  Call call = Call::kRead;
  std::span<std::byte> into = {};        ///< kRead
  std::span<const std::byte> from = {};  ///< kWrite
  std::uint64_t offset = 0;              ///< kRead, kWrite
  bool with_metadata = false;            ///< kSync
};

/// The operations are called by a fiber of the runtime that the reactor belongs to. They suspend
/// while they must, and throw Cancelled, in which case nothing has been transferred and the
/// descriptor is as it was. Several may run on one descriptor at once.
class Reactor : public Driver {
 public:
  /// Receives some bytes; none at the end of the stream.
  IoResult receive(const Descriptor& socket, std::span<std::byte> into);
  /// Sends some bytes of the parts, in order. At most kMostParts parts.
  IoResult send(const Descriptor& socket, std::span<const iovec> parts);
  /// The same for what is no socket: pipes and terminals.
  IoResult read(const Descriptor& file, std::span<std::byte> into);
  IoResult write(const Descriptor& file, std::span<const iovec> parts);
  /// recvmsg(2) and sendmsg(2): datagrams, descriptors. `message` is as those want it.
  IoResult receive_message(const Descriptor& socket, msghdr& message, int flags);
  IoResult send_message(const Descriptor& socket, const msghdr& message);
  /// Waits until a call of that direction would not block, whoever makes it. EPERM: it is of a kind
  /// that never blocks, or that cannot tell.
  IoResult wait_ready(const Descriptor& descriptor, Direction direction);
  /// Takes a connection; the new descriptor is non-blocking and closed on exec. `size` is the room
  /// at `peer`, and then what it needs.
  IoResult accept(const Descriptor& listener, sockaddr* peer, socklen_t& size);
  /// For who takes all that come: they may be taken before they are asked for, and those that are
  /// never asked for are closed in the end. Null where the driver does no such thing. The
  /// listener's number is not given back before this has ended. `size` is 0 for a peer that has
  /// gone already.
  virtual std::unique_ptr<Acceptor> accept_all(const Descriptor& /*listener*/) { return nullptr; }
  /// Cancelled, it leaves a socket that is good for nothing but closing.
  IoResult connect(const Descriptor& socket, const sockaddr* peer, socklen_t size);

  /// Whether calls on files on disk may be handed over. Otherwise the next three answer EOPNOTSUPP.
  /// Cancelled, they may have been carried out.
  bool takes_files() const noexcept { return takes_.files; }
  IoResult read_at(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset);
  IoResult write_at(const Descriptor& file, std::span<const std::byte> from, std::uint64_t offset);
  IoResult sync(const Descriptor& file, bool with_metadata);

  /// For descriptors that are not ours. Throws std::system_error.
  virtual ForeignWaits& foreign_waits() = 0;

  static constexpr std::size_t kMostParts = 64;  // well below IOV_MAX

 protected:
  /// What the driver takes without its having been tried.
  struct Takes {
    bool sends = false;  ///< That pays where they are many, and go to the kernel together.
    bool files = false;
  };
  explicit Reactor(Takes takes) noexcept : takes_(takes) {}

  /// For a call that would block. Suspends until it need not (error EAGAIN: to be made again), or
  /// hands the call over and returns how it ended. Throws Cancelled.
  virtual IoResult wait_or_do(const FdOperation& operation, Direction direction,
                              const Handover& handover) = 0;
  /// By who takes files. Suspends until the call has ended. Throws Cancelled. EAGAIN: the file was
  /// opened without blocking, and is of a kind that knows no other way.
  virtual IoResult do_file_call(const FdOperation& operation, const FileCall& call);

 private:
  template <class Call>
  IoResult attempt(const Descriptor& descriptor, Direction direction, std::size_t wanted, Call call,
                   const Handover& handover = {});
  IoResult hand_over(const Descriptor& file, const FileCall& call);

  const Takes takes_;
};

/// The reactor of the runtime that runs the caller; null on any other thread.
Reactor* current_reactor() noexcept;

}  // namespace weft::detail
