#pragma once

#include <weft/address.h>
#include <weft/tcp.h>
#include <weft/unix.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

/// Something that went wrong while serving, and did not end the server.
struct ServeError {
  enum class Stage {
    /// No connection can be taken for want of resources, or one was taken and found no stack, which
    /// ended it. Told once for as long as that goes on, whoever is taken in between: until for five
    /// seconds nothing was wanting.
    kAccept,
    /// The handler threw.
    kHandler,
  };
  Stage stage;
  /// The peer's address, or the listener's for kAccept. Empty for Unix sockets.
  SocketAddress address;
  std::exception_ptr error;
  /// The same, or the path, for people. Empty where there was no memory for it.
  std::string name = {};
};

struct ServeOptions {
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

  /// Connections at a time. More wait in the kernel's backlog.
  std::size_t max_connections = kUnlimited;
  /// Lets the kernel take connections before they are asked for, if there is no limit and the
  /// driver is "uring" (a multishot accept). It saves some CPU where a handler does next to
  /// nothing. Then whoever else accepts on that socket, here or in another process, gets hardly
  /// any; those that are taken and not yet served when the listener is closed are closed, too; and
  /// the limit of descriptors is what it was when the server began.
  bool accept_ahead = false;
  /// How long connections may go on once no new ones are taken. Zero or less: not at all.
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(5);
  /// Told of each error, by the fiber that met it, several at a time. Must not throw. Empty: a
  /// connection that the peer broke off (ECONNRESET, EPIPE) is nothing, and the rest is a line on
  /// standard error each.
  std::function<void(const ServeError&)> on_error = {};
  /// Bytes; 0: the runtime's default. See SpawnOptions. Of a connection that waits, what its
  /// handler has used of the stack stays in memory, in pages of 4 KiB; its size otherwise costs
  /// page tables alone.
  std::size_t stack_size = 0;
};

namespace detail {

/// A handler, wherever it lives; serve() does not return before its last call has.
struct ConnectionHandler {
  void* handler;
  void (*call)(void* handler, std::unique_ptr<StreamState>& connection);
};

void serve(ListenerState& listener, ConnectionHandler handler, const ServeOptions& options);

template <class Listener>
concept AcceptsConnections =
    std::is_base_of_v<Stream, std::decay_t<decltype(std::declval<Listener&>().accept())>>;

}  // namespace detail

/// Takes connections from a TcpListener or UnixListener and runs `handler(stream)` in a fiber of
/// its own for each. The handler takes a TcpStream& (UnixStream&) or a TcpStream (UnixStream); the
/// stream is closed when it returns. The handler is copied or moved here once, and that one object
/// serves all connections, on several workers at once. A call of it that throws ends its own
/// connection and nothing else.
///
/// Goes on until the listener is closed, and then returns, or until it is cancelled, and then
/// closes the listener and throws Cancelled. In both cases it first waits until the connections
/// have ended: those still running after `drain_timeout`, or when a second cancellation comes, are
/// cancelled. When descriptors or memory run out it waits until a connection ends, or a while, and
/// goes on. Any other error of accept() ends it as closing does, and is thrown.
///
/// Only in a fiber. Suspends; cancellable. Throws std::invalid_argument for max_connections == 0.
template <detail::AcceptsConnections Listener, class Handler>
void serve(Listener& listener, Handler&& handler, const ServeOptions& options = {}) {
  using Connection = decltype(listener.accept());
  using Target = std::decay_t<Handler>;
  constexpr bool kTakesReference = std::is_invocable_v<Target&, Connection&>;
  static_assert(kTakesReference || std::is_invocable_v<Target&, Connection>,
                "a handler is called with the stream or a reference to it: TcpStream& of a "
                "TcpListener, UnixStream& of a UnixListener");
  Target target(std::forward<Handler>(handler));
  const auto call = [](void* object, std::unique_ptr<detail::StreamState>& connection) {
    Connection stream(std::move(connection));
    if constexpr (kTakesReference) {
      std::invoke(*static_cast<Target*>(object), stream);
    } else {
      std::invoke(*static_cast<Target*>(object), std::move(stream));
    }
  };
  detail::serve(listener.state("serve on"), {std::addressof(target), call}, options);
}

}  // namespace weft
