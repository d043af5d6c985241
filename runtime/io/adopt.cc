#include "io/adopt.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/owned_fd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace weft {

namespace detail {
namespace {

enum class State : std::uint8_t { kConnected, kListening, kAny };

struct Wanted {
  const char* name;
  int type;
  State state;
  bool is_unix = false;
  int protocol = 0;
};

Wanted wanted_for(SocketRole role) noexcept {
  switch (role) {
    case SocketRole::kTcpConnection:
      return {"a TCP connection", SOCK_STREAM, State::kConnected, false, IPPROTO_TCP};
    case SocketRole::kTcpListener:
      return {"a TCP listener", SOCK_STREAM, State::kListening, false, IPPROTO_TCP};
    case SocketRole::kUnixConnection:
      return {"a Unix connection", SOCK_STREAM, State::kConnected, true};
    case SocketRole::kUnixListener:
      return {"a Unix listener", SOCK_STREAM, State::kListening, true};
    case SocketRole::kUdpSocket:
      return {"a UDP socket", SOCK_DGRAM, State::kAny, false, IPPROTO_UDP};
  }
  __builtin_unreachable();
}

// 0, or the error and, where that alone does not say it, what is wrong.
struct Finding {
  int error = 0;
  const char* what = nullptr;
};

bool is_internet(int family) noexcept { return family == AF_INET || family == AF_INET6; }

const char* describe_type(int type) noexcept {
  switch (type) {
    case SOCK_STREAM:
      return "it is a stream socket";
    case SOCK_DGRAM:
      return "it is a datagram socket";
    case SOCK_SEQPACKET:
      return "it is a socket of sequenced packets";
    default:
      return "it is a socket of another type";
  }
}

const char* describe_family(int family) noexcept {
  if (family == AF_UNIX) return "it is a Unix socket";
  return is_internet(family) ? "it is a socket of the internet" : "it is of another family";
}

// As getsockopt(2); -1 and errno if that fails.
int option_of(int fd, int option) noexcept {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

Finding check_kind(int fd, const Wanted& wanted) noexcept {
  const int type = option_of(fd, SO_TYPE);
  if (type < 0) return {errno};
  const int family = option_of(fd, SO_DOMAIN);
  if (wanted.is_unix ? family != AF_UNIX : !is_internet(family)) {
    return {EPROTOTYPE, describe_family(family)};
  }
  if (type != wanted.type) return {EPROTOTYPE, describe_type(type)};
  const int protocol = option_of(fd, SO_PROTOCOL);
  // TCP over several paths is used like TCP.
  const bool is_wanted = wanted.is_unix || protocol == wanted.protocol ||
                         (wanted.protocol == IPPROTO_TCP && protocol == IPPROTO_MPTCP);
  return is_wanted ? Finding{} : Finding{EPROTOTYPE, "its protocol is another"};
}

Finding check_state(int fd, State state) noexcept {
  if (state == State::kAny) return {};
  const bool listens = option_of(fd, SO_ACCEPTCONN) == 1;
  if (state == State::kListening) {
    return listens ? Finding{} : Finding{EINVAL, "it does not listen"};
  }
  if (listens) return {ENOTCONN, "it listens"};
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return {errno};
  return {};
}

// Not inlined where a fiber has suspended: compilers keep errno's address across calls.
[[gnu::noinline]] Finding prepare_socket(int fd, const Wanted& wanted) noexcept {
  if (const Finding kind = check_kind(fd, wanted); kind.error != 0) return kind;
  if (const Finding state = check_state(fd, wanted.state); state.error != 0) return state;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return {errno};
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return {errno};
  return {};
}

}  // namespace

Descriptor adopt_socket(int fd, SocketRole role) {
  const Wanted wanted = wanted_for(role);
  const Finding finding = prepare_socket(fd, wanted);
  if (finding.error == 0) return Descriptor(fd);
  // A number that is not open is nobody's to close.
  const OwnedFd refused(finding.error == EBADF ? -1 : fd);
  std::string what = "adopt descriptor " + std::to_string(fd) + " as " + wanted.name;
  if (finding.what != nullptr) what += std::string(": ") + finding.what;
  throw std::system_error(finding.error, std::system_category(), what);
}

}  // namespace detail

void OwnedFd::reset(int fd) noexcept {
  // An error means that data could not be kept; the number is free even so.
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

}  // namespace weft
