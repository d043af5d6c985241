#pragma once

// What is behind the listeners, as serve() sees it.

#include <weft/address.h>

#include <memory>
#include <string>
#include <utility>

#include "io/io_error.h"
#include "io/stream_state.h"
#include "reactor/fd_table.h"
#include "reactor/reactor.h"

namespace weft::detail {

struct ListenerState {
  explicit ListenerState(Descriptor&& owned) noexcept : descriptor(std::move(owned)) {}
  virtual ~ListenerState() = default;
  ListenerState(const ListenerState&) = delete;
  ListenerState& operator=(const ListenerState&) = delete;

  /// Waits for the next connection, from `acceptor` if there is one. Throws as the public accept()
  /// does.
  virtual std::unique_ptr<StreamState> accept(Acceptor* acceptor = nullptr) = 0;
  virtual void close() noexcept { descriptor.close(); }
  /// The empty one if it listens on no address of the internet.
  virtual SocketAddress address() const noexcept { return {}; }
  /// What it listens on, for people.
  virtual std::string name() const = 0;

  /// By accept().
  IoResult next(Acceptor* acceptor, sockaddr* peer, socklen_t& size) const {
    Reactor& reactor = need_reactor("accept");
    return acceptor != nullptr ? acceptor->next(peer, size)
                               : reactor.accept(descriptor, peer, size);
  }

  Descriptor descriptor;
};

}  // namespace weft::detail
