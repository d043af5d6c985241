#include <weft/tcp.h>

#include <netinet/tcp.h>
#include <weft/resolve.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "io/io_error.h"
#include "io/stream_state.h"
#include "reactor/reactor.h"

namespace weft {

namespace detail {

// Not inlined, as those below.
[[gnu::noinline]] SocketAddress bound_address(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return SocketAddress::from(reinterpret_cast<const sockaddr*>(&address), size)
      .value_or(SocketAddress());
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

TcpStream TcpStream::connect(std::string_view host, std::uint16_t port) {
  std::exception_ptr last;
  for (const SocketAddress& peer : resolve(host, port)) {
    try {
      return connect(peer);
    } catch (const std::system_error&) {
      last = std::current_exception();
    }
  }
  std::rethrow_exception(last);
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

void TcpStream::set_nodelay(bool on) {
  StreamState& self = state("set_nodelay on");
  const detail::FdOperation operation(self.descriptor);
  const int error =
      operation ? detail::set_option(operation.fd(), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0) : EBADF;
  if (error != 0) detail::throw_io_error(error, "set_nodelay on", self.name());
}

}  // namespace weft
