#pragma once

#include <weft/address.h>

#include <chrono>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <vector>

namespace weft {

enum class AddressFamily : std::uint8_t { kAny, kIpv4, kIpv6 };

/// How to look a name up.
struct ResolveOptions {
  /// Only such addresses.
  AddressFamily family = AddressFamily::kAny;
  /// Whom to ask instead of those in /etc/resolv.conf, in this order; port 0 is 53. None
  /// with a scope ("fe80::1%eth0").
  std::vector<SocketAddress> servers = {};
  /// How long a server is waited for the first time. From one try to the next it doubles.
  std::chrono::milliseconds timeout{2000};
  /// How often each server is asked, at least once.
  int tries = 3;
  /// Leaves the question to the system's getaddrinfo(), on a thread of the blocking pool. That
  /// knows what /etc/nsswitch.conf names beside files and DNS: mDNS, LDAP and the like. Servers,
  /// timeout and tries are then the system's. A build without c-ares knows no other way.
  bool use_system = false;
};

/// Finds the addresses of `host` for TCP, in order of preference (RFC 6724); never none. A numeric
/// address is taken as it is, at once. A name is looked up in /etc/hosts, then in the DNS, IPv4 and
/// IPv6 at the same time, with the search domains of /etc/resolv.conf. Suspends the fiber while it
/// waits for answers; a plain thread blocks.
///
/// Throws std::system_error that names the host. Of resolve_category() when there is no answer:
/// EAI_NONAME when there is no such name, EAI_NODATA when it has no address of the family,
/// EAI_AGAIN when no server answered in time or could be reached, EAI_FAIL when the servers refused
/// or failed, or answered with nonsense. Of std::system_category() when the system failed.
/// std::invalid_argument for options that make no sense, std::logic_error for servers, timeout or
/// tries that a build without c-ares was given, or `use_system` was.
///
/// Cancellable: throws Cancelled, and leaves nothing behind. With `use_system` the question asked
/// goes on by itself, its answer is dropped.
std::vector<SocketAddress> resolve(std::string_view host, std::uint16_t port = 0,
                                   const ResolveOptions& options = {});

/// The errors of getaddrinfo(), EAI_NONAME and the like.
const std::error_category& resolve_category() noexcept;

}  // namespace weft
