#include <weft/error.h>
#include <weft/resolve.h>
#include <weft/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "io/adopt.h"
#include "io/bind_anywhere.h"
#include "io/datagram_state.h"
#include "io/io_error.h"
#include "reactor/reactor.h"
#include "sched/wait.h"

namespace weft {

namespace detail {
namespace {

// As many as one system call takes; more gain nothing.
constexpr std::size_t kMostAtOnce = 64;

// Those that look at errno are not inlined: compilers keep its address across calls, and after a
// suspension it would be another thread's.

[[gnu::noinline]] std::unique_ptr<DatagramState> open_socket(const SocketAddress& address,
                                                             const char* operation) {
  const int family = address.data()->sa_family;
  const int fd = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
  if (fd < 0) throw_io_error(errno, operation, address.to_string());
  return std::make_unique<DatagramState>(Descriptor(fd), family);
}

// 0, or the error of the first call that failed.
[[gnu::noinline]] int bind_to(int fd, const SocketAddress& address,
                              const UdpOptions& options) noexcept {
  const auto set = [fd](int level, int option, bool on) {
    const int value = on ? 1 : 0;
    return ::setsockopt(fd, level, option, &value, sizeof(value)) == 0;
  };
  if (!set(SOL_SOCKET, SO_REUSEADDR, options.reuse_address)) return errno;
  if (!set(SOL_SOCKET, SO_REUSEPORT, options.reuse_port)) return errno;
  if (address.is_ipv6() && !set(IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only)) return errno;
  return ::bind(fd, address.data(), address.size()) == 0 ? 0 : errno;
}

[[gnu::noinline]] int connect_to(int fd, const SocketAddress& peer) noexcept {
  return ::connect(fd, peer.data(), peer.size()) == 0 ? 0 : errno;
}

int family_of(int fd) noexcept {
  int family = AF_UNSPEC;
  socklen_t size = sizeof(family);
  static_cast<void>(::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size));
  return family;
}

using Messages = std::array<mmsghdr, kMostAtOnce>;

// The count or the negative errno.
[[gnu::noinline]] int receive_at_once(int fd, Messages& messages, unsigned count) noexcept {
  // MSG_TRUNC: tell the size of what did not fit.
  const int got = ::recvmmsg(fd, messages.data(), count, MSG_DONTWAIT | MSG_TRUNC, nullptr);
  return got >= 0 ? got : -errno;
}

[[gnu::noinline]] int send_at_once(int fd, Messages& messages, unsigned count) noexcept {
  const int sent = ::sendmmsg(fd, messages.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent >= 0 ? sent : -errno;
}

// Calls for several datagrams are made at once, and wait for readiness only where there is none.
template <class Call>
IoResult call_or_wait(const DatagramState& state, Direction direction, const char* what,
                      Call call) {
  Reactor& reactor = need_reactor(what);
  if (spend_budget()) throw Cancelled{};
  for (int closed = EBADF;; closed = ECANCELED) {  // later it was closed meanwhile
    {
      const FdOperation operation(state.descriptor);
      if (!operation) return {.error = closed};
      const int count = call(operation.fd());
      if (count >= 0) return {.count = static_cast<std::size_t>(count)};
      if (count == -EINTR) continue;
      if (count != -EAGAIN) return {.error = -count};
    }
    const IoResult ready = reactor.wait_ready(state.descriptor, direction);
    if (ready.error == EBADF) return {.error = ECANCELED};
    if (ready.error != 0) return ready;
  }
}

Datagram datagram_of(std::size_t full_size, std::size_t room, const sockaddr_storage& peer,
                     socklen_t peer_size) {
  return {.size = std::min(full_size, room),
          .full_size = full_size,
          .peer = SocketAddress::from(reinterpret_cast<const sockaddr*>(&peer), peer_size)
                      .value_or(SocketAddress())};
}

void send_one(const DatagramState& state, std::span<const std::byte> data,
              const SocketAddress& peer) {
  iovec part{const_cast<std::byte*>(data.data()), data.size()};  // only read
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!peer.empty()) {
    message.msg_name = const_cast<sockaddr*>(peer.data());
    message.msg_namelen = peer.size();
  }
  const int error = need_reactor("send").send_message(state.descriptor, message).error;
  if (error != 0) {
    throw_io_error(error, "send to", peer.empty() ? state.peer_name() : peer.to_string());
  }
}

}  // namespace
}  // namespace detail

using detail::DatagramState;

UdpSocket::UdpSocket() noexcept = default;
UdpSocket::UdpSocket(std::unique_ptr<DatagramState>&& state) noexcept : state_(std::move(state)) {}
UdpSocket::UdpSocket(UdpSocket&& other) noexcept = default;
UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept = default;
UdpSocket::~UdpSocket() = default;

DatagramState& UdpSocket::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, operation, "(none)");
  return *state_;
}

// ---- Opening.

UdpSocket UdpSocket::bind(const SocketAddress& address, const UdpOptions& options) {
  if (address.empty()) throw std::invalid_argument("UdpSocket::bind: the address is empty");
  auto state = detail::open_socket(address, "bind to");
  const int error = detail::bind_to(state->descriptor.fd(), address, options);
  if (error != 0) detail::throw_io_error(error, "bind to", address.to_string());
  return UdpSocket(std::move(state));
}

UdpSocket UdpSocket::bind(std::string_view host, std::uint16_t port, const UdpOptions& options) {
  if (!host.empty()) return bind(resolve(host, port).front(), options);
  return detail::bind_anywhere(
      port, [&](const SocketAddress& address) { return bind(address, options); });
}

UdpSocket UdpSocket::connect(const SocketAddress& peer) {
  if (peer.empty()) throw std::invalid_argument("UdpSocket::connect: the address is empty");
  UdpSocket socket(detail::open_socket(peer, "connect to"));
  socket.connect_to(peer);
  return socket;
}

UdpSocket UdpSocket::connect(std::string_view host, std::uint16_t port) {
  return connect(resolve(host, port).front());
}

UdpSocket UdpSocket::adopt(int fd) {
  detail::Descriptor owned = detail::adopt_socket(fd, detail::SocketRole::kUdpSocket);
  return UdpSocket(std::make_unique<DatagramState>(std::move(owned), detail::family_of(fd)));
}

void UdpSocket::connect_to(const SocketAddress& peer) {
  if (peer.empty()) throw std::invalid_argument("UdpSocket::connect_to: the address is empty");
  const detail::FdOperation operation(state("connect to").descriptor);
  const int error = operation ? detail::connect_to(operation.fd(), peer) : EBADF;
  if (error != 0) detail::throw_io_error(error, "connect to", peer.to_string());
}

// ---- Sending.

void UdpSocket::send(std::span<const std::byte> data) {
  detail::send_one(state("send to"), data, SocketAddress());
}

void UdpSocket::send(std::string_view text) { send(std::as_bytes(std::span(text))); }

void UdpSocket::send_to(const SocketAddress& peer, std::span<const std::byte> data) {
  if (peer.empty()) throw std::invalid_argument("UdpSocket::send_to: the address is empty");
  detail::send_one(state("send to"), data, peer);
}

void UdpSocket::send_to(const SocketAddress& peer, std::string_view text) {
  send_to(peer, std::as_bytes(std::span(text)));
}

std::size_t UdpSocket::send_some(std::span<const OutgoingDatagram> datagrams) {
  DatagramState& self = state("send to");
  if (datagrams.empty()) return 0;
  const std::size_t count = std::min(datagrams.size(), detail::kMostAtOnce);
  detail::Messages messages{};
  std::array<iovec, detail::kMostAtOnce> parts;
  for (std::size_t i = 0; i < count; ++i) {
    const OutgoingDatagram& datagram = datagrams[i];
    parts[i] = {const_cast<std::byte*>(datagram.data.data()), datagram.data.size()};  // only read
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &parts[i];
    header.msg_iovlen = 1;
    if (datagram.peer.empty()) continue;
    header.msg_name = const_cast<sockaddr*>(datagram.peer.data());
    header.msg_namelen = datagram.peer.size();
  }
  const auto result = detail::call_or_wait(self, detail::Direction::kWrite, "send", [&](int fd) {
    return detail::send_at_once(fd, messages, static_cast<unsigned>(count));
  });
  if (result.error != 0) {
    const SocketAddress& first = datagrams.front().peer;
    detail::throw_io_error(result.error, "send to",
                           first.empty() ? self.peer_name() : first.to_string());
  }
  return result.count;
}

// ---- Receiving.

Datagram UdpSocket::receive(std::span<std::byte> into) {
  DatagramState& self = state("receive on");
  sockaddr_storage peer{};
  iovec part{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_name = &peer;
  message.msg_namelen = sizeof(peer);
  const auto result =
      detail::need_reactor("receive").receive_message(self.descriptor, message, MSG_TRUNC);
  if (result.error != 0) detail::throw_io_error(result.error, "receive on", self.name());
  return detail::datagram_of(result.count, into.size(), peer, message.msg_namelen);
}

std::size_t UdpSocket::receive_some(std::span<DatagramSlot> slots) {
  DatagramState& self = state("receive on");
  if (slots.empty()) return 0;
  const std::size_t count = std::min(slots.size(), detail::kMostAtOnce);
  detail::Messages messages{};
  std::array<iovec, detail::kMostAtOnce> parts;
  std::array<sockaddr_storage, detail::kMostAtOnce> peers;
  for (std::size_t i = 0; i < count; ++i) {
    parts[i] = {slots[i].buffer.data(), slots[i].buffer.size()};
    msghdr& header = messages[i].msg_hdr;
    header.msg_iov = &parts[i];
    header.msg_iovlen = 1;
    header.msg_name = &peers[i];
    header.msg_namelen = sizeof(peers[i]);
  }
  const auto result = detail::call_or_wait(self, detail::Direction::kRead, "receive", [&](int fd) {
    return detail::receive_at_once(fd, messages, static_cast<unsigned>(count));
  });
  if (result.error != 0) detail::throw_io_error(result.error, "receive on", self.name());
  for (std::size_t i = 0; i < result.count; ++i) {
    slots[i].datagram = detail::datagram_of(messages[i].msg_len, slots[i].buffer.size(), peers[i],
                                            messages[i].msg_hdr.msg_namelen);
  }
  return result.count;
}

// ---- The rest.

SocketAddress UdpSocket::local_address() const {
  const detail::FdOperation operation(state("local address of").descriptor);
  if (!operation) detail::throw_io_error(EBADF, "local address of", "a UDP socket");
  return detail::bound_address(operation.fd());
}

SocketAddress UdpSocket::peer_address() const {
  const detail::FdOperation operation(state("peer address of").descriptor);
  if (!operation) detail::throw_io_error(EBADF, "peer address of", "a UDP socket");
  return detail::peer_address(operation.fd());
}

void UdpSocket::close() noexcept {
  if (state_ != nullptr) state_->descriptor.close();
}

bool UdpSocket::is_open() const noexcept {
  return state_ != nullptr && state_->descriptor.is_open();
}

int UdpSocket::native_handle() const noexcept { return is_open() ? state_->descriptor.fd() : -1; }

}  // namespace weft
