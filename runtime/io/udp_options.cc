#include <netinet/in.h>
#include <weft/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "io/datagram_state.h"
#include "io/io_error.h"
#include "io/socket_option.h"

namespace weft {

namespace detail {
namespace {

// An IPv6 socket may send to IPv4 groups, too, by options of their own. One that may not refuses.
template <class Value>
void set_for_ipv4_too(const DatagramState& state, int option, const Value& value) noexcept {
  const FdOperation operation(state.descriptor);
  if (!operation) return;
  static_cast<void>(set_option(operation.fd(), IPPROTO_IP, option, &value, sizeof(value)));
}

void change_membership(const DatagramState& state, const SocketAddress& group, unsigned interface,
                       int option, const char* what) {
  group_req request{};
  request.gr_interface = interface;
  std::memcpy(&request.gr_group, group.data(), group.size());
  const FdOperation operation(state.descriptor);
  const int level = group.is_ipv6() ? IPPROTO_IPV6 : IPPROTO_IP;
  const int error =
      operation ? set_option(operation.fd(), level, option, &request, sizeof(request)) : EBADF;
  if (error != 0) throw_io_error(error, what, group.host());
}

int as_int(std::size_t bytes) noexcept {
  return static_cast<int>(std::min<std::size_t>(bytes, std::numeric_limits<int>::max()));
}

}  // namespace
}  // namespace detail

using detail::set;
using detail::set_for_ipv4_too;

void UdpSocket::set_broadcast(bool on) {
  set(state("set_broadcast on"), SOL_SOCKET, SO_BROADCAST, on ? 1 : 0, "set_broadcast on");
}

void UdpSocket::set_receive_buffer(std::size_t bytes) {
  constexpr const char* kWhat = "set_receive_buffer on";
  set(state(kWhat), SOL_SOCKET, SO_RCVBUF, detail::as_int(bytes), kWhat);
}

void UdpSocket::set_send_buffer(std::size_t bytes) {
  constexpr const char* kWhat = "set_send_buffer on";
  set(state(kWhat), SOL_SOCKET, SO_SNDBUF, detail::as_int(bytes), kWhat);
}

void UdpSocket::join_group(const SocketAddress& group, unsigned interface) {
  detail::change_membership(state("join group"), group, interface, MCAST_JOIN_GROUP, "join group");
}

void UdpSocket::leave_group(const SocketAddress& group, unsigned interface) {
  detail::change_membership(state("leave group"), group, interface, MCAST_LEAVE_GROUP,
                            "leave group");
}

void UdpSocket::set_multicast_hops(unsigned hops) {
  constexpr const char* kWhat = "set_multicast_hops on";
  const detail::DatagramState& self = state(kWhat);
  const int value = detail::as_int(hops);
  if (self.family == AF_INET) {
    set(self, IPPROTO_IP, IP_MULTICAST_TTL, value, kWhat);
  } else {
    set(self, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, value, kWhat);
    set_for_ipv4_too(self, IP_MULTICAST_TTL, value);
  }
}

void UdpSocket::set_multicast_loopback(bool on) {
  constexpr const char* kWhat = "set_multicast_loopback on";
  const detail::DatagramState& self = state(kWhat);
  const int value = on ? 1 : 0;
  if (self.family == AF_INET) {
    set(self, IPPROTO_IP, IP_MULTICAST_LOOP, value, kWhat);
  } else {
    set(self, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, value, kWhat);
    set_for_ipv4_too(self, IP_MULTICAST_LOOP, value);
  }
}

void UdpSocket::set_multicast_interface(unsigned interface) {
  constexpr const char* kWhat = "set_multicast_interface on";
  const detail::DatagramState& self = state(kWhat);
  ip_mreqn of_ipv4{};
  of_ipv4.imr_ifindex = static_cast<int>(interface);
  if (self.family == AF_INET) {
    set(self, IPPROTO_IP, IP_MULTICAST_IF, of_ipv4, kWhat);
  } else {
    set(self, IPPROTO_IPV6, IPV6_MULTICAST_IF, static_cast<int>(interface), kWhat);
    set_for_ipv4_too(self, IP_MULTICAST_IF, of_ipv4);
  }
}

}  // namespace weft
