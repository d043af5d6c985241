#include <weft/sleep.h>
#include <weft/unix.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "io/adopt.h"
#include "io/io_error.h"
#include "io/stream_state.h"
#include "io/unix_address.h"
#include "reactor/reactor.h"

namespace weft {

namespace detail {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestPause{1};
constexpr milliseconds kLongestPause{20};

// Those that look at errno are not inlined: compilers keep its address across calls, and after a
// suspension it would be another thread's.

[[gnu::noinline]] int make_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw_io_error(errno, "connect to", path);
  return fd;
}

[[gnu::noinline]] int make_pair(int (&ends)[2]) noexcept {
  constexpr int kType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  return ::socketpair(AF_UNIX, kType, 0, ends) == 0 ? 0 : errno;
}

using NameOf = int (*)(int fd, sockaddr* address, socklen_t* size) noexcept;

[[gnu::noinline]] int ask_name(int fd, UnixAddress& into, NameOf name_of) noexcept {
  return name_of(fd, into.data(), &into.size) == 0 ? 0 : errno;
}

std::string path_of(const StreamState& state, const char* what, NameOf name_of) {
  const FdOperation operation(state.descriptor);
  UnixAddress address;
  const int error = operation ? ask_name(operation.fd(), address, name_of) : EBADF;
  if (error != 0) throw_io_error(error, what, state.name());
  return address.path();
}

[[gnu::noinline]] int credentials_of(int fd, ucred& into) noexcept {
  socklen_t size = sizeof(into);
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &into, &size) == 0 ? 0 : errno;
}

// Room for the descriptors of one message, aligned as the kernel's macros want it.
struct ControlBuffer {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int) * UnixStream::kMostDescriptors)];
};

// Every number in the message becomes somebody's, whatever comes. `into` has room.
void take_descriptors(msghdr& message, std::vector<OwnedFd>& into) noexcept {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      into.emplace_back(fd);
    }
  }
}

}  // namespace
}  // namespace detail

using detail::StreamKind;
using detail::StreamState;

UnixStream::UnixStream(std::unique_ptr<StreamState>&& state) noexcept : Stream(std::move(state)) {}

UnixStream UnixStream::connect(std::string_view path) {
  const auto address = detail::UnixAddress::of(path, "connect to");
  detail::Reactor& reactor = detail::need_reactor("connect");
  const std::string name(path);
  auto state = std::make_unique<StreamState>(detail::Descriptor(detail::make_socket(name)),
                                             StreamKind::kUnixSocket, name);
  for (auto pause = detail::kShortestPause;; pause = std::min(2 * pause, detail::kLongestPause)) {
    const int error = reactor.connect(state->descriptor, address.data(), address.size).error;
    if (error == 0) return UnixStream(std::move(state));
    // EAGAIN: the backlog is full, and nothing would tell that it no longer is.
    if (error != EAGAIN) detail::throw_io_error(error, "connect to", name);
    sleep_for(pause);
  }
}

std::pair<UnixStream, UnixStream> UnixStream::pair() {
  int ends[2];
  if (const int error = detail::make_pair(ends)) {
    detail::throw_io_error(error, "open", "a pair of sockets");
  }
  // Both owned before there is anything that may fail.
  OwnedFd second(ends[1]);
  detail::Descriptor one(ends[0]);
  detail::Descriptor other(second.release());
  const auto stream = [](detail::Descriptor&& end) {
    return UnixStream(
        std::make_unique<StreamState>(std::move(end), StreamKind::kUnixSocket, "socket pair"));
  };
  UnixStream first = stream(std::move(one));
  return {std::move(first), stream(std::move(other))};
}

UnixStream UnixStream::adopt(int fd) {
  detail::Descriptor owned = detail::adopt_socket(fd, detail::SocketRole::kUnixConnection);
  return UnixStream(std::make_unique<StreamState>(std::move(owned), StreamKind::kUnixSocket,
                                                  "Unix socket " + std::to_string(fd)));
}

PeerCredentials UnixStream::peer_credentials() const {
  StreamState& self = state("credentials of");
  const detail::FdOperation operation(self.descriptor);
  ucred peer{};
  const int error = operation ? detail::credentials_of(operation.fd(), peer) : EBADF;
  if (error != 0) detail::throw_io_error(error, "credentials of", self.name());
  return {peer.pid, peer.uid, peer.gid};
}

std::string UnixStream::local_path() const {
  return detail::path_of(state("local path of"), "local path of",
                         [](int fd, sockaddr* address, socklen_t* size) noexcept {
                           return ::getsockname(fd, address, size);
                         });
}

std::string UnixStream::peer_path() const {
  return detail::path_of(state("peer path of"), "peer path of",
                         [](int fd, sockaddr* address, socklen_t* size) noexcept {
                           return ::getpeername(fd, address, size);
                         });
}

void UnixStream::write_with_descriptors(std::span<const std::byte> data,
                                        std::span<const int> descriptors) {
  StreamState& self = state("write to");
  if (data.empty()) {
    throw std::invalid_argument("write_with_descriptors: no data to go with the descriptors");
  }
  if (descriptors.size() > kMostDescriptors) {
    throw std::invalid_argument("write_with_descriptors: " + std::to_string(descriptors.size()) +
                                " descriptors; allowed are 253");
  }
  if (descriptors.empty()) return write_all(data);
  detail::ControlBuffer control{};
  iovec part{const_cast<std::byte*>(data.data()), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  const auto result = detail::need_reactor("write").send_message(self.descriptor, message);
  if (result.error == EBADF && is_open()) {
    throw std::system_error(EBADF, std::system_category(),
                            "write to " + self.name() + ": of the descriptors to be passed on");
  }
  if (result.error != 0) detail::throw_io_error(result.error, "write to", self.name());
  write_all(data.subspan(result.count));
}

ReceivedDescriptors UnixStream::read_with_descriptors(std::span<std::byte> into, std::size_t most) {
  StreamState& self = state("read from");
  ReceivedDescriptors received;
  if (into.empty()) return received;
  if (!self.received.empty()) {
    received.size = self.received.take(into);
    return received;
  }
  most = std::min(most, kMostDescriptors);
  received.descriptors.reserve(most);
  detail::ControlBuffer control{};
  iovec part{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  // Not CMSG_SPACE: in the padding there would be room for one more than was asked for.
  message.msg_controllen = most > 0 ? CMSG_LEN(most * sizeof(int)) : 0;
  const auto result =
      detail::need_reactor("read").receive_message(self.descriptor, message, MSG_CMSG_CLOEXEC);
  if (result.error != 0) detail::throw_io_error(result.error, "read from", self.name());
  detail::take_descriptors(message, received.descriptors);
  received.size = result.count;
  received.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  return received;
}

}  // namespace weft
