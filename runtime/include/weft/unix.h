#pragma once

#include <sys/types.h>
#include <weft/owned_fd.h>
#include <weft/stream.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

namespace detail {
struct ListenerState;
struct UnixListenerState;
}  // namespace detail

/// Who is at the other end of a Unix socket, as the kernel knows it: who connected, or who
/// listened, when they did.
struct PeerCredentials {
  pid_t process;
  uid_t user;
  gid_t group;
};

/// What came with some bytes.
struct ReceivedDescriptors {
  /// Bytes; 0 at the end of the stream.
  std::size_t size = 0;
  /// Closed on exec.
  std::vector<OwnedFd> descriptors;
  /// More were sent than were asked for, or than this process may have open. Those are closed.
  bool truncated = false;
};

/// A connection over a Unix socket, between programs on one machine. See Stream for reading and
/// writing, and for who may call what.
///
/// A path is at most 107 bytes long. One that begins with '@' is a name in the kernel's abstract
/// space instead, which needs no file ("./@name" is a file).
class UnixStream : public Stream {
 public:
  /// The most descriptors that one call passes on.
  static constexpr std::size_t kMostDescriptors = 253;

  /// No connection: every call fails with EBADF. Assign one.
  UnixStream() noexcept = default;
  UnixStream(UnixStream&&) noexcept = default;
  UnixStream& operator=(UnixStream&&) noexcept = default;
  ~UnixStream() = default;

  /// Connects to whoever listens on `path`. Waits while their backlog is full. Throws
  /// std::system_error, with ENAMETOOLONG for a path that is too long. Cancelled, nothing is left
  /// behind.
  static UnixStream connect(std::string_view path);
  /// Two ends of one connection. May be called by a plain thread too; never suspends.
  static std::pair<UnixStream, UnixStream> pair();
  /// Takes over a connected stream socket of this kind, and makes it non-blocking, for all who have
  /// it open, and closed on exec. Throws std::system_error; then it is closed, too.
  static UnixStream adopt(int fd);

  /// Never suspends. Throws std::system_error.
  PeerCredentials peer_credentials() const;
  /// The path that this end, or the other, is bound to; empty if it is to none, as the end that
  /// connected usually is.
  std::string local_path() const;
  std::string peer_path() const;

  /// Like write_all(), and passes duplicates of `descriptors` on with the first byte; the caller's
  /// own stay open. Throws std::invalid_argument for no data, and for more than kMostDescriptors.
  void write_with_descriptors(std::span<const std::byte> data, std::span<const int> descriptors);
  /// Like read_some(), and takes the descriptors that come with the bytes, at most `most`. Bytes
  /// with descriptors end what one call returns. Every other way of reading drops the descriptors
  /// of the bytes it takes from the kernel, and read_until() and its like look ahead.
  ReceivedDescriptors read_with_descriptors(std::span<std::byte> into,
                                            std::size_t most = kMostDescriptors);

  /// For the library itself.
  explicit UnixStream(std::unique_ptr<detail::StreamState>&& state) noexcept;
};

/// How to listen on a Unix socket.
struct UnixListenOptions {
  /// Connections the kernel keeps until they are accepted; it has a limit of its own
  /// (net.core.somaxconn).
  int backlog = 4096;
  /// Takes the place of a socket file that nobody listens on any more, as a program leaves it that
  /// was killed. One that somebody listens on, or a file of another kind, is an error as ever. It
  /// is done under a lock of the folder (flock(2)); one that another program holds for longer than
  /// a second is an error, too: EAGAIN.
  bool replace_stale = false;
  /// The file's permissions, less what the umask forbids: whoever may write may connect.
  unsigned mode = 0777;
};

/// Takes connections on a Unix socket. The rest is as with TcpListener.
class UnixListener {
 public:
  /// No listener: every call fails with EBADF.
  UnixListener() noexcept;
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener();

  /// Listens on `path` (see UnixStream). May be called by a plain thread too. Throws
  /// std::system_error that names the path. Suspends only for `replace_stale`, which the blocking
  /// pool sees to. Cancellable then: throws Cancelled; if it was about to listen, that
  /// ends at once.
  static UnixListener bind(std::string_view path, const UnixListenOptions& options = {});
  /// Takes over a socket that listens already, as TcpListener::adopt() does. Its file is whoever's
  /// bound it, and stays when the listener goes.
  static UnixListener adopt(int fd);

  /// Waits for the next connection. Throws std::system_error; one of EMFILE, ENFILE, ENOBUFS or
  /// ENOMEM says that resources have run out, and leaves the connection waiting. Cancellable.
  UnixStream accept();

  /// As it was given, to bind() or to whoever bound it.
  const std::string& path() const;

  /// Stops listening, and removes the socket's file unless another has taken its place or it was
  /// adopted: who waits in accept() gets ECANCELED, new connections are refused. Closing again does
  /// nothing.
  void close() noexcept;
  bool is_open() const noexcept;
  /// The descriptor, still owned by the listener; -1 unless it is open.
  int native_handle() const noexcept;

  /// For the library itself. Throws EBADF for a listener that never was.
  detail::ListenerState& state(const char* operation) const;

 private:
  explicit UnixListener(std::unique_ptr<detail::UnixListenerState>&& state) noexcept;
  // Nothing while another holds the lock of the folder.
  static std::optional<UnixListener> bind_now(const std::string& path,
                                              const UnixListenOptions& options);

  std::unique_ptr<detail::UnixListenerState> state_;
};

}  // namespace weft
