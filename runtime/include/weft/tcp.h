#pragma once

#include <weft/address.h>
#include <weft/stream.h>

#include <cstdint>
#include <memory>
#include <string_view>

namespace weft {

namespace detail {
struct ListenerState;
}  // namespace detail

/// A TCP connection. See Stream for reading and writing, and for who may call what.
class TcpStream : public Stream {
 public:
  /// No connection: every call fails with EBADF. Assign one.
  TcpStream() noexcept = default;
  TcpStream(TcpStream&&) noexcept = default;
  TcpStream& operator=(TcpStream&&) noexcept = default;
  ~TcpStream() = default;

  /// Connects to `host`, a numeric address or a name (see resolve(), whose errors this throws too).
  /// A name's addresses are tried in order; if none answers, the last error is thrown. Waits until
  /// the connection stands; the kernel gives up after about two minutes, a `timeout` scope earlier.
  /// Cancelled, nothing is left behind.
  static TcpStream connect(std::string_view host, std::uint16_t port);
  static TcpStream connect(const SocketAddress& peer);

  SocketAddress local_address() const;
  /// Whom it was connected to; the empty address if it never was.
  SocketAddress peer_address() const noexcept;

  /// Sends small writes at once instead of collecting them. On from the start.
  void set_nodelay(bool on);

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
  int native_handle() const noexcept;

  /// For the library itself. Throws EBADF for a listener that never was.
  detail::ListenerState& state(const char* operation) const;

 private:
  explicit TcpListener(std::unique_ptr<detail::ListenerState> state) noexcept;

  std::unique_ptr<detail::ListenerState> state_;
};

}  // namespace weft
