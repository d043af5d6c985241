#include <weft/address.h>

#include <arpa/inet.h>
#include <net/if.h>

#include <charconv>
#include <cstring>

namespace weft {

namespace {

// A host's bytes as C wants them; longer than any numeric address is no address.
struct HostText {
  explicit HostText(std::string_view host) noexcept {
    fits = host.size() < sizeof(text) && host.find('\0') == std::string_view::npos;
    if (fits) std::memcpy(text, host.data(), host.size());
  }
  char text[INET6_ADDRSTRLEN] = {};
  bool fits;
};

// An interface's name or number; 0 if it is neither.
std::uint32_t scope_id(std::string_view scope) {
  if (scope.find('\0') != std::string_view::npos) return 0;
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), id);
  if (error == std::errc() && end == scope.data() + scope.size()) return id;
  return ::if_nametoindex(std::string(scope).c_str());
}

}  // namespace

std::optional<SocketAddress> SocketAddress::parse(std::string_view host, std::uint16_t port) {
  const std::size_t percent = host.find('%');
  const HostText text(host.substr(0, percent));
  if (!text.fits) return std::nullopt;
  SocketAddress address;
  in_addr v4{};
  if (percent == std::string_view::npos && ::inet_pton(AF_INET, text.text, &v4) == 1) {
    address.storage_.v4 = {};
    address.storage_.v4.sin_family = AF_INET;
    address.storage_.v4.sin_addr = v4;
    return address.with_port(port);
  }
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.text, &v6) != 1) return std::nullopt;
  address.storage_.v6 = {};
  address.storage_.v6.sin6_family = AF_INET6;
  address.storage_.v6.sin6_addr = v6;
  if (percent != std::string_view::npos) {
    address.storage_.v6.sin6_scope_id = scope_id(host.substr(percent + 1));
    if (address.storage_.v6.sin6_scope_id == 0) return std::nullopt;
  }
  return address.with_port(port);
}

std::optional<SocketAddress> SocketAddress::from(const sockaddr* given, socklen_t size) noexcept {
  SocketAddress address;
  if (size >= sizeof(sockaddr_in) && given->sa_family == AF_INET) {
    std::memcpy(&address.storage_.v4, given, sizeof(sockaddr_in));
  } else if (size >= sizeof(sockaddr_in6) && given->sa_family == AF_INET6) {
    std::memcpy(&address.storage_.v6, given, sizeof(sockaddr_in6));
  } else {
    return std::nullopt;
  }
  return address;
}

std::uint16_t SocketAddress::port() const noexcept {
  if (is_ipv4()) return ntohs(storage_.v4.sin_port);
  return is_ipv6() ? ntohs(storage_.v6.sin6_port) : std::uint16_t{0};
}

SocketAddress SocketAddress::with_port(std::uint16_t port) const noexcept {
  SocketAddress copy = *this;
  if (is_ipv4()) copy.storage_.v4.sin_port = htons(port);
  if (is_ipv6()) copy.storage_.v6.sin6_port = htons(port);
  return copy;
}

std::string SocketAddress::host() const {
  char text[INET6_ADDRSTRLEN] = "(none)";
  if (is_ipv4()) ::inet_ntop(AF_INET, &storage_.v4.sin_addr, text, sizeof(text));
  if (!is_ipv6()) return text;
  ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, text, sizeof(text));
  const std::uint32_t scope = storage_.v6.sin6_scope_id;
  if (scope == 0) return text;
  char name[IF_NAMESIZE];
  const bool named = ::if_indextoname(scope, name) != nullptr;
  return std::string(text) + '%' + (named ? std::string(name) : std::to_string(scope));
}

std::string SocketAddress::to_string() const {
  if (empty()) return host();
  const std::string port_text = ':' + std::to_string(port());
  return is_ipv6() ? '[' + host() + ']' + port_text : host() + port_text;
}

socklen_t SocketAddress::size() const noexcept {
  if (is_ipv4()) return sizeof(sockaddr_in);
  return is_ipv6() ? socklen_t{sizeof(sockaddr_in6)} : socklen_t{0};
}

std::strong_ordering SocketAddress::operator<=>(const SocketAddress& other) const noexcept {
  if (const auto order = storage_.any.sa_family <=> other.storage_.any.sa_family;
      std::is_neq(order)) {
    return order;
  }
  int bytes = 0;
  if (is_ipv4()) {
    bytes = std::memcmp(&storage_.v4.sin_addr, &other.storage_.v4.sin_addr, sizeof(in_addr));
  } else if (is_ipv6()) {
    bytes = std::memcmp(&storage_.v6.sin6_addr, &other.storage_.v6.sin6_addr, sizeof(in6_addr));
    if (bytes == 0 && storage_.v6.sin6_scope_id != other.storage_.v6.sin6_scope_id) {
      return storage_.v6.sin6_scope_id <=> other.storage_.v6.sin6_scope_id;
    }
  }
  if (bytes != 0) return bytes <=> 0;
  return port() <=> other.port();
}

}  // namespace weft
