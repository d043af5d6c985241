#pragma once

#include <weft/address.h>
#include <weft/stream.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace weft {

namespace detail {
struct ListenerState;
struct TcpListenerState;
}  // namespace detail

/// A TCP connection. See Stream for reading and writing, and for who may call what.
class TcpStream : public Stream {
 public:
  /// No connection: every call fails with EBADF. Assign one.
  TcpStream() noexcept = default;
  TcpStream(TcpStream&&) noexcept = default;
  TcpStream& operator=(TcpStream&&) noexcept = default;
  ~TcpStream() = default;

  /// Connects to `host`, a numeric address or a name (see resolve(), whose errors this throws too;
  /// for several addresses see connect_any()). Waits until the connection stands; the kernel gives
  /// up after about two minutes, a `timeout` scope earlier. Cancelled, nothing is left behind.
  static TcpStream connect(std::string_view host, std::uint16_t port);
  static TcpStream connect(const SocketAddress& peer);
  /// Connects to whichever of a host's addresses answers first (RFC 8305): families take turns,
  /// beginning with that of the first address, and the next address is tried when the one before it
  /// has failed, or has not answered for `delay`. When all have failed, the std::system_error names
  /// `name`, and every address with its error; its code is the last's. Those that are not needed
  /// are given up, and leave nothing. Throws std::invalid_argument for no address.
  static TcpStream connect_any(std::span<const SocketAddress> peers, std::string_view name,
                               std::chrono::nanoseconds delay = std::chrono::milliseconds(250));
  /// Takes over a connected socket, and makes it non-blocking, for all who have it open, and closed
  /// on exec. Throws std::system_error; then it is closed, too.
  static TcpStream adopt(int fd);

  SocketAddress local_address() const;
  /// Whom it was connected to; the empty address if it never was.
  SocketAddress peer_address() const noexcept;

  // -- Options. They never suspend, and throw std::system_error.

  /// Sends small writes at once instead of collecting them. On from the start.
  void set_nodelay(bool on);
  /// Asks a peer that has been silent for `idle`, and then every `interval`, whether it is still
  /// there; the connection fails with ETIMEDOUT when `probes` in a row are not answered. In whole
  /// seconds, at least one.
  void set_keepalive(std::chrono::seconds idle, std::chrono::seconds interval, int probes);
  void disable_keepalive();
  /// Whether closing the stream breaks the connection off with a reset and drops what has not been
  /// sent yet (SO_LINGER with no time; with any other it would block the thread that closes). Off
  /// from the start: the kernel goes on sending.
  void set_reset_on_close(bool on);
  /// Bytes that the kernel keeps; it has limits of its own, doubles what it is given for its own
  /// needs, and no longer adapts the size to the connection.
  void set_receive_buffer(std::size_t bytes);
  void set_send_buffer(std::size_t bytes);
  /// Acknowledges what comes at once, instead of waiting for something to send. The kernel may fall
  /// back to waiting: set it again after each read.
  void set_quickack(bool on);

  /// For the library itself.
  explicit TcpStream(std::unique_ptr<detail::StreamState>&& state) noexcept;
};

/// How to listen.
struct ListenOptions {
  /// Connections the kernel keeps until they are accepted; it has a limit of its own
  /// (net.core.somaxconn).
  int backlog = 4096;
  /// Lets several listeners share one port, between which the kernel spreads connections.
  bool reuse_port = false;
  /// For an IPv6 address: takes no IPv4 connections.
  bool ipv6_only = false;
};

/// Takes TCP connections. Owns its descriptor and closes it when it dies. Any number of fibers may
/// accept at once, and close() may be called by anyone at any time; the rest is as with Stream.
class TcpListener {
 public:
  /// No listener: every call fails with EBADF.
  TcpListener() noexcept;
  TcpListener(TcpListener&& other) noexcept;
  TcpListener& operator=(TcpListener&& other) noexcept;
  ~TcpListener();

  /// Listens on `host`: a numeric address, a name (see resolve(); the first address counts), or ""
  /// for all interfaces, IPv6 and IPv4. Port 0 lets the kernel choose. May be called by a plain
  /// thread too. Throws std::system_error that names the address. Suspends only to resolve a name.
  static TcpListener bind(std::string_view host, std::uint16_t port,
                          const ListenOptions& options = {});
  static TcpListener bind(const SocketAddress& address, const ListenOptions& options = {});
  /// Takes over a socket that listens already, from whoever started this program say
  /// (sd_listen_fds(3)), and makes it non-blocking, for all who have it open, and closed on exec.
  /// Throws std::system_error that says what it is instead; then it is closed, too.
  static TcpListener adopt(int fd);

  /// Waits for the next connection. Connections that fail before they are taken are passed over.
  /// Throws std::system_error; one of EMFILE, ENFILE, ENOBUFS or ENOMEM says that resources have
  /// run out, and leaves the connection waiting. Cancellable.
  TcpStream accept();

  SocketAddress local_address() const;
  std::uint16_t local_port() const { return local_address().port(); }

  /// Stops listening: who waits in accept() gets ECANCELED, new connections are refused. Closing
  /// again does nothing.
  void close() noexcept;
  bool is_open() const noexcept;
  /// The descriptor, still owned by the listener; -1 unless it is open.
  int native_handle() const noexcept;

  /// For the library itself. Throws EBADF for a listener that never was.
  detail::ListenerState& state(const char* operation) const;

 private:
  explicit TcpListener(std::unique_ptr<detail::TcpListenerState>&& state) noexcept;

  std::unique_ptr<detail::TcpListenerState> state_;
};

}  // namespace weft
