// The floor of the http workload: one thread, one epoll loop, the parser of weft's server. Edge-
// triggered, as the echo workload's.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "exchange.h"
#include "support/check.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"

namespace {

using bench::check;

struct Connection {
  explicit Connection(int connected) : fd(connected) {}

  int fd;
  bench::Exchange exchange{"epoll"};
  std::string_view unsent;  // of the answers that `exchange` holds
  bool shut = false;        // for writing
  std::array<char, 4096> buffer;
};

void add(int epoll, int fd, std::uint32_t events, Connection* connection) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = connection;
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

void accept_all(int epoll, int listener) {
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      check(errno == EAGAIN || errno == EINTR || errno == ECONNABORTED, "accept4");
      return;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    add(epoll, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, new Connection(fd));
  }
}

enum class Progress { kDone, kBlocked, kEnded };

Progress drain(Connection& connection) {
  while (!connection.unsent.empty()) {
    const ssize_t put =
        send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (put < 0) return errno == EAGAIN ? Progress::kBlocked : Progress::kEnded;
    connection.unsent.remove_prefix(static_cast<std::size_t>(put));
  }
  if (connection.exchange.ended() && !connection.shut) {
    shutdown(connection.fd, SHUT_WR);
    connection.shut = true;
  }
  return Progress::kDone;
}

// Answers what has come; once the exchange has ended, drops it until the peer closes. A read that
// does not fill the buffer has emptied the socket, so the next edge reports what follows; only the
// end of the stream may have come before this edge and has to be looked for.
Progress talk(Connection& connection, bool peer_ended) {
  for (;;) {
    if (Progress sent = drain(connection); sent != Progress::kDone) return sent;
    const ssize_t got = read(connection.fd, connection.buffer.data(), connection.buffer.size());
    if (got < 0) return errno == EAGAIN ? Progress::kBlocked : Progress::kEnded;
    if (got == 0) return Progress::kEnded;
    const auto length = static_cast<std::size_t>(got);
    if (!connection.exchange.ended()) {
      connection.unsent = connection.exchange.take({connection.buffer.data(), length});
    }
    if (Progress sent = drain(connection); sent != Progress::kDone) return sent;
    if (length < connection.buffer.size() && !peer_ended) return Progress::kDone;
  }
}

void on_event(Connection* connection, std::uint32_t events) {
  const bool peer_ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  if (talk(*connection, peer_ended) != Progress::kEnded) return;
  close(connection->fd);
  delete connection;
}

}  // namespace

int main() {
  std::uint16_t port = 0;
  const int listener = bench::listen_on_loopback(SOCK_NONBLOCK, &port);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  check(epoll >= 0, "epoll_create1");
  add(epoll, listener, EPOLLIN, nullptr);
  bench::end_with_stdin();
  bench::say_listening(port);
  std::array<epoll_event, 512> events;
  for (;;) {
    const int count = epoll_wait(epoll, events.data(), events.size(), -1);
    check(count >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == nullptr) {
        accept_all(epoll, listener);
      } else {
        on_event(static_cast<Connection*>(event.data.ptr), event.events);
      }
    }
  }
}
