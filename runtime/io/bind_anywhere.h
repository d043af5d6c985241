#pragma once

#include <weft/address.h>

#include <cstdint>
#include <system_error>

namespace weft::detail {

/// Calls `bind` with the address of all interfaces: of IPv6, which takes IPv4 too, or, without
/// that, of IPv4.
template <class Bind>
auto bind_anywhere(std::uint16_t port, Bind bind) {
  try {
    return bind(SocketAddress::parse("::", port).value());
  } catch (const std::system_error& error) {
    // A kernel without IPv6, or one told to do without.
    if (error.code() != std::errc::address_family_not_supported &&
        error.code() != std::errc::address_not_available) {
      throw;
    }
  }
  return bind(SocketAddress::parse("0.0.0.0", port).value());
}

}  // namespace weft::detail
