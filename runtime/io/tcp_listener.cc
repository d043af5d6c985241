#include <weft/tcp.h>

#include <netinet/tcp.h>
#include <weft/resolve.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "io/adopt.h"
#include "io/bind_anywhere.h"
#include "io/io_error.h"
#include "io/listener_state.h"
#include "reactor/reactor.h"

namespace weft {

namespace {

struct SocketOption {
  int level, option, value;
};

// The kernel reports what happened to a connection that waited as if it were the listener's error:
// accept(2).
bool only_that_connection_failed(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case EOPNOTSUPP:
      return true;
    default:
      return false;
  }
}

// 0, or the error of the first call that failed.
int listen_at(int fd, const SocketAddress& address, const ListenOptions& options) noexcept {
  const SocketOption socket_options[] = {
      // A server that is started anew need not wait for connections of the old one to time out.
      {SOL_SOCKET, SO_REUSEADDR, 1},
      {SOL_SOCKET, SO_REUSEPORT, options.reuse_port ? 1 : 0},
      // Connections inherit it: one system call less for each.
      {IPPROTO_TCP, TCP_NODELAY, 1},
      {IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only ? 1 : 0},
  };
  for (const SocketOption& wanted : socket_options) {
    if (wanted.level == IPPROTO_IPV6 && !address.is_ipv6()) continue;
    if (::setsockopt(fd, wanted.level, wanted.option, &wanted.value, sizeof(int)) != 0)
      return errno;
  }
  if (::bind(fd, address.data(), address.size()) != 0) return errno;
  return ::listen(fd, options.backlog) == 0 ? 0 : errno;
}

}  // namespace

namespace detail {

struct TcpListenerState final : ListenerState {
  TcpListenerState(Descriptor&& owned, const SocketAddress& where)
      : ListenerState(std::move(owned)), local(where) {}

  std::unique_ptr<StreamState> accept(Acceptor* acceptor) override;
  SocketAddress address() const noexcept override { return local; }
  std::string name() const override { return local.to_string(); }

  SocketAddress local;  // constant once it listens
};

std::unique_ptr<StreamState> TcpListenerState::accept(Acceptor* acceptor) {
  for (;;) {
    sockaddr_storage peer{};
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    socklen_t size = sizeof(peer);
    const IoResult result = next(acceptor, address, size);
    if (only_that_connection_failed(result.error)) continue;
    if (result.error != 0) throw_io_error(result.error, "accept on", local.to_string());
    Descriptor taken(static_cast<int>(result.count));
    const auto from = SocketAddress::from(address, size).value_or(SocketAddress());
    return std::make_unique<StreamState>(std::move(taken), from);
  }
}

}  // namespace detail

using detail::TcpListenerState;

TcpListener::TcpListener() noexcept = default;
TcpListener::TcpListener(std::unique_ptr<TcpListenerState>&& state) noexcept
    : state_(std::move(state)) {}
TcpListener::TcpListener(TcpListener&& other) noexcept = default;
TcpListener& TcpListener::operator=(TcpListener&& other) noexcept = default;
TcpListener::~TcpListener() = default;

// Not inlined where a fiber has suspended: compilers keep errno's address across calls.
[[gnu::noinline]] TcpListener TcpListener::bind(const SocketAddress& address,
                                                const ListenOptions& options) {
  if (address.empty()) throw std::invalid_argument("TcpListener::bind: the address is empty");
  const int family = address.data()->sa_family;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (fd < 0) detail::throw_io_error(errno, "listen on", address.to_string());
  auto state = std::make_unique<TcpListenerState>(detail::Descriptor(fd), address);
  if (const int error = listen_at(fd, address, options)) {
    detail::throw_io_error(error, "listen on", address.to_string());
  }
  state->local = detail::bound_address(fd);
  if (state->local.empty()) detail::throw_io_error(errno, "listen on", address.to_string());
  return TcpListener(std::move(state));
}

TcpListener TcpListener::bind(std::string_view host, std::uint16_t port,
                              const ListenOptions& options) {
  if (!host.empty()) return bind(resolve(host, port).front(), options);
  return detail::bind_anywhere(
      port, [&](const SocketAddress& address) { return bind(address, options); });
}

[[gnu::noinline]] TcpListener TcpListener::adopt(int fd) {
  detail::Descriptor owned = detail::adopt_socket(fd, detail::SocketRole::kTcpListener);
  const SocketAddress address = detail::bound_address(fd);
  const int on = 1;
  if (address.empty() || ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    detail::throw_io_error(errno, "listen on", address.to_string());
  }
  return TcpListener(std::make_unique<TcpListenerState>(std::move(owned), address));
}

TcpStream TcpListener::accept() { return TcpStream(state("accept on").accept()); }

SocketAddress TcpListener::local_address() const { return state("local address of").address(); }

void TcpListener::close() noexcept {
  if (state_ != nullptr) state_->close();
}

bool TcpListener::is_open() const noexcept {
  return state_ != nullptr && state_->descriptor.is_open();
}

int TcpListener::native_handle() const noexcept { return is_open() ? state_->descriptor.fd() : -1; }

detail::ListenerState& TcpListener::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, operation, "(none)");
  return *state_;
}

}  // namespace weft
