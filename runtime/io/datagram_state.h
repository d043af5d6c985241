#pragma once

#include <weft/address.h>

#include <string>
#include <utility>

#include "io/stream_state.h"
#include "reactor/fd_table.h"

namespace weft::detail {

struct DatagramState {
  DatagramState(Descriptor&& owned, int of_family)
      : descriptor(std::move(owned)), family(of_family) {}

  /// For errors: where it is bound.
  std::string name() const {
    const FdOperation operation(descriptor);
    return (operation ? bound_address(operation.fd()) : SocketAddress()).to_string();
  }
  /// For errors: whom it is connected to.
  std::string peer_name() const {
    const FdOperation operation(descriptor);
    return (operation ? peer_address(operation.fd()) : SocketAddress()).to_string();
  }

  Descriptor descriptor;
  const int family;
};

}  // namespace weft::detail
