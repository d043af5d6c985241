#include <weft/tcp.h>

#include <netinet/tcp.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "io/adopt.h"
#include "io/io_error.h"
#include "io/stream_state.h"
#include "reactor/reactor.h"

namespace weft {

namespace detail {

namespace {

using NameOf = int (*)(int fd, sockaddr* address, socklen_t* size) noexcept;

SocketAddress ask_address(int fd, NameOf name_of) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (name_of(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return SocketAddress::from(reinterpret_cast<const sockaddr*>(&address), size)
      .value_or(SocketAddress());
}

}  // namespace

// Not inlined, as those below.
[[gnu::noinline]] SocketAddress bound_address(int fd) noexcept {
  return ask_address(fd, [](int of, sockaddr* address, socklen_t* size) noexcept {
    return ::getsockname(of, address, size);
  });
}

[[gnu::noinline]] SocketAddress peer_address(int fd) noexcept {
  return ask_address(fd, [](int of, sockaddr* address, socklen_t* size) noexcept {
    return ::getpeername(of, address, size);
  });
}

namespace {

constexpr int kMostSelfConnections = 3;

// These two are not inlined: compilers keep errno's address across calls, and after a suspension it
// would be another thread's.
[[gnu::noinline]] int set_option(int fd, int level, int option, int value) noexcept {
  return ::setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

[[gnu::noinline]] int make_socket(const SocketAddress& peer) {
  const int family = peer.data()->sa_family;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) throw_io_error(errno, "connect to", peer.to_string());
  return fd;
}

std::unique_ptr<StreamState> connect_once(Reactor& reactor, const SocketAddress& peer) {
  const int fd = make_socket(peer);
  auto state = std::make_unique<StreamState>(Descriptor(fd), peer);
  int error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (error == 0) error = reactor.connect(state->descriptor, peer.data(), peer.size()).error;
  if (error != 0) throw_io_error(error, "connect to", peer.to_string());
  return state;
}

}  // namespace
}  // namespace detail

using detail::StreamState;

TcpStream::TcpStream(std::unique_ptr<StreamState>&& state) noexcept : Stream(std::move(state)) {}

TcpStream TcpStream::connect(const SocketAddress& peer) {
  if (peer.empty()) throw std::invalid_argument("TcpStream::connect: the address is empty");
  detail::Reactor& reactor = detail::need_reactor("connect");
  // Where nobody listens on a port of the range for outgoing connections, the kernel may choose
  // that very port for this end, and the socket connects to itself. Another attempt gets another
  // port.
  for (int attempt = 0; attempt < detail::kMostSelfConnections; ++attempt) {
    TcpStream stream(detail::connect_once(reactor, peer));
    if (stream.local_address() != peer) return stream;
  }
  detail::throw_io_error(ECONNREFUSED, "connect to", peer.to_string());
}

TcpStream TcpStream::adopt(int fd) {
  detail::Descriptor owned = detail::adopt_socket(fd, detail::SocketRole::kTcpConnection);
  const SocketAddress peer = detail::peer_address(fd);
  return TcpStream(std::make_unique<StreamState>(std::move(owned), peer));
}

SocketAddress TcpStream::local_address() const {
  StreamState& self = state("local address of");
  const detail::FdOperation operation(self.descriptor);
  if (!operation) detail::throw_io_error(EBADF, "local address of", self.name());
  return detail::bound_address(operation.fd());
}

SocketAddress TcpStream::peer_address() const noexcept {
  return has_state() ? state("").address() : SocketAddress();
}

}  // namespace weft
