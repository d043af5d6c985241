#include "io/dns_sockets.h"

#include <arpa/nameser.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/timeout.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <new>
#include <utility>

#include "io/cancellable.h"
#include "sched/wait.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kLook = 5 * kMillisecond;

// Of an answer's header: the last four bits of the fourth byte.
int refusal_in(const void* answer, std::size_t size) noexcept {
  if (size < NS_HFIXEDSZ) return 0;
  const int code = static_cast<const unsigned char*>(answer)[3] & 0xf;
  return code == ns_r_servfail || code == ns_r_notimpl || code == ns_r_refused ? code : 0;
}

}  // namespace

void DnsSockets::serve(ares_channel channel) noexcept {
  static constexpr ares_socket_functions kFunctions{&DnsSockets::open, &DnsSockets::close,
                                                    &DnsSockets::connect, &DnsSockets::receive,
                                                    &DnsSockets::send};
  ::ares_set_socket_functions(channel, &kFunctions, this);
}

DnsSockets::Socket* DnsSockets::find(int fd) noexcept {
  for (Socket& socket : sockets_) {
    if (socket.descriptor.fd() == fd) return &socket;
  }
  return nullptr;
}

// ---- What c-ares calls.

void DnsSockets::on_state(void* self, ares_socket_t fd, int reads, int writes) noexcept {
  Socket* const socket = static_cast<DnsSockets*>(self)->find(fd);
  if (socket == nullptr) return;  // it is being closed
  socket->reads = reads != 0;
  socket->writes = writes != 0;
}

ares_socket_t DnsSockets::open(int family, int type, int protocol, void* self) noexcept {
  auto& here = *static_cast<DnsSockets*>(self);
  const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (fd < 0) {
    // The order of addresses is found with sockets, too, of families that there may not be.
    if (errno != EAFNOSUPPORT) here.open_error_ = errno;
    return ARES_SOCKET_BAD;
  }
  try {
    Descriptor owned(fd);
    here.sockets_.push_back({.descriptor = std::move(owned), .datagrams = type == SOCK_DGRAM});
    return fd;
  } catch (const std::system_error& error) {
    here.open_error_ = error.code().value();
  } catch (const std::bad_alloc&) {
    here.open_error_ = ENOMEM;
  }
  errno = here.open_error_;
  return ARES_SOCKET_BAD;
}

int DnsSockets::close(ares_socket_t fd, void* self) noexcept {
  auto& sockets = static_cast<DnsSockets*>(self)->sockets_;
  Socket* const socket = static_cast<DnsSockets*>(self)->find(fd);
  if (socket == nullptr) return 0;
  if (socket != &sockets.back()) std::swap(*socket, sockets.back());
  sockets.pop_back();
  return 0;
}

int DnsSockets::connect(ares_socket_t fd, const sockaddr* peer, ares_socklen_t size,
                        void*) noexcept {
  return ::connect(fd, peer, size);
}

ares_ssize_t DnsSockets::receive(ares_socket_t fd, void* into, std::size_t size, int flags,
                                 sockaddr* from, ares_socklen_t* from_size, void* self) noexcept {
  const ssize_t count = ::recvfrom(fd, into, size, flags, from, from_size);
  auto& here = *static_cast<DnsSockets*>(self);
  const Socket* const socket = here.find(fd);
  if (count > 0 && socket != nullptr && socket->datagrams) {
    if (const int refusal = refusal_in(into, static_cast<std::size_t>(count))) {
      here.refusal_ = refusal;
    }
  }
  return count;
}

ares_ssize_t DnsSockets::send(ares_socket_t fd, const iovec* parts, int count,
                              void* self) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts);  // only read, for all its type says
  message.msg_iovlen = static_cast<std::size_t>(count);
  // A server that has closed the connection is an error of this call, not a signal to the process.
  const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  const Socket* const socket = static_cast<DnsSockets*>(self)->find(fd);
  if (sent >= 0 || errno != ECONNREFUSED || socket == nullptr || !socket->datagrams) return sent;
  // That was about the datagram before. c-ares would give up this question and wait for an answer
  // to that one; so send this, too, and let both be told when they read.
  return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

// ---- Waiting.

// What is ready of what the channel wants, within so many milliseconds.
std::vector<pollfd> DnsSockets::poll_wanted(int timeout_millis) const {
  std::vector<pollfd> asked;
  for (const Socket& socket : sockets_) {
    const int events = (socket.reads ? POLLIN : 0) | (socket.writes ? POLLOUT : 0);
    if (events != 0) asked.push_back({socket.descriptor.fd(), static_cast<short>(events), 0});
  }
  const int count = ::poll(asked.data(), asked.size(), timeout_millis);
  if (count <= 0) return {};  // an interrupted one is repeated by whoever finds nothing done
  std::erase_if(asked, [](const pollfd& socket) { return socket.revents == 0; });
  return asked;
}

std::optional<DnsSockets::Wanted> DnsSockets::the_only_one() const noexcept {
  std::optional<Wanted> wanted;
  for (const Socket& socket : sockets_) {
    if (!socket.reads && !socket.writes) continue;
    if (wanted.has_value() || (socket.reads && socket.writes)) return std::nullopt;
    wanted = {&socket.descriptor, socket.reads ? Direction::kRead : Direction::kWrite};
  }
  return wanted;
}

// Not inlined, as the next, for they look at errno: compilers keep its address across calls, and
// after a suspension it would be another thread's.
[[gnu::noinline]] int DnsSockets::make_set() {
  if (set_.is_open()) return 0;
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return errno;
  set_ = Descriptor(fd);
  return 0;
}

[[gnu::noinline]] int DnsSockets::watch(Socket& socket) noexcept {
  const unsigned wanted =
      (socket.reads ? unsigned{EPOLLIN} : 0) | (socket.writes ? unsigned{EPOLLOUT} : 0);
  if (socket.watched == wanted) return 0;
  const int operation = socket.watched == 0 ? EPOLL_CTL_ADD
                        : wanted == 0       ? EPOLL_CTL_DEL
                                            : EPOLL_CTL_MOD;
  epoll_event event{};
  event.events = wanted;
  if (::epoll_ctl(set_.fd(), operation, socket.descriptor.fd(), &event) != 0) return errno;
  socket.watched = wanted;
  return 0;
}

int DnsSockets::wait_until_ready(Reactor& reactor) {
  if (const auto only = the_only_one()) {
    return reactor.wait_ready(*only->descriptor, only->direction).error;
  }
  if (const int error = make_set()) return error;
  for (Socket& socket : sockets_) {
    if (const int error = watch(socket)) return error;
  }
  return reactor.wait_ready(set_, Direction::kRead).error;
}

int DnsSockets::wait(Reactor* reactor, Nanos deadline) {
  const Nanos left = deadline - now();
  if (left <= 0) return 0;
  if (reactor == nullptr) {
    poll_wanted(static_cast<int>(std::min<Nanos>(left / kMillisecond + 1, INT_MAX)));
    return 0;
  }
  if (may_be_cancelled()) {
    try {
      return timeout(std::chrono::nanoseconds(left), [&] { return wait_until_ready(*reactor); });
    } catch (const TimeoutError&) {
      return 0;
    }
  }
  // A wait that nothing but its end can end would outlast the deadline, so look now and then.
  while (poll_wanted(0).empty()) {
    const Nanos look_again = std::min(now() + kLook, deadline);
    current_token(WaitsFor::kSleep);
    suspend_until(look_again, nullptr, nullptr, Cancellable::kNo);
    if (look_again == deadline) break;
  }
  return 0;
}

void DnsSockets::process(ares_channel channel) {
  // By number, since sockets come and go meanwhile. One that has come under the number of one that
  // has gone is looked at for nothing.
  for (const pollfd& ready : poll_wanted(0)) {
    const bool failed = (ready.revents & (POLLERR | POLLHUP)) != 0;
    const bool reads = (ready.events & POLLIN) != 0 && (failed || (ready.revents & POLLIN) != 0);
    const bool writes = (ready.events & POLLOUT) != 0 && (failed || (ready.revents & POLLOUT) != 0);
    ::ares_process_fd(channel, reads ? ready.fd : ARES_SOCKET_BAD,
                      writes ? ready.fd : ARES_SOCKET_BAD);
  }
  // And what is due.
  ::ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

}  // namespace weft::detail
