#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// An IPv4 or IPv6 address with a port. A plain value: copy it freely. Nothing here suspends.
class SocketAddress {
 public:
  /// No address: to_string() is "(none)".
  SocketAddress() noexcept : storage_{} {}

  /// Reads a numeric address, "127.0.0.1", "::1" or "fe80::1%eth0". Nothing for anything else,
  /// names included.
  static std::optional<SocketAddress> parse(std::string_view host, std::uint16_t port);
  /// Copies what the kernel gave. Nothing for another family than IPv4 and IPv6.
  static std::optional<SocketAddress> from(const sockaddr* address, socklen_t size) noexcept;

  bool empty() const noexcept { return storage_.any.sa_family == AF_UNSPEC; }
  bool is_ipv4() const noexcept { return storage_.any.sa_family == AF_INET; }
  bool is_ipv6() const noexcept { return storage_.any.sa_family == AF_INET6; }
  std::uint16_t port() const noexcept;
  /// The same address with another port.
  SocketAddress with_port(std::uint16_t port) const noexcept;
  /// Without the port, in numbers.
  std::string host() const;
  /// "127.0.0.1:80", "[::1]:80".
  std::string to_string() const;

  /// For system calls.
  const sockaddr* data() const noexcept { return &storage_.any; }
  socklen_t size() const noexcept;

  /// By family, address, scope and port.
  bool operator==(const SocketAddress& other) const noexcept { return std::is_eq(*this <=> other); }
  std::strong_ordering operator<=>(const SocketAddress& other) const noexcept;

 private:
  union Storage {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  Storage storage_;
};

}  // namespace weft
