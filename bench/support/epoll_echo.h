#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "check.h"

namespace bench {

// An echo server of one thread and one epoll loop, with the system calls that an echo needs and
// nothing else. Edge-triggered, every descriptor added once: a level-triggered one is checked again
// by the next epoll_wait after each event. What was read goes through `Work` before it is answered.
template <class Work>
class EpollEcho {
 public:
  // A listening socket that does not block.
  EpollEcho(int listener, Work work) : listener_(listener), work_(std::move(work)) {
    check(epoll_ >= 0, "epoll_create1");
    add(listener_, EPOLLIN, nullptr);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events;
    for (;;) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      check(count >= 0 || errno == EINTR, "epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          accept_all();
        } else {
          on_event(static_cast<Connection*>(event.data.ptr), event.events);
        }
      }
    }
  }

 private:
  struct Connection {
    int fd;
    std::size_t begin = 0;  // [begin, end) of buffer has been read and not yet written
    std::size_t end = 0;
    std::array<char, 4096> buffer;
  };

  void add(int fd, std::uint32_t events, Connection* connection) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = connection;
    check(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }

  void accept_all() {
    for (;;) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        check(errno == EAGAIN || errno == EINTR || errno == ECONNABORTED, "accept4");
        return;
      }
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, new Connection{.fd = fd, .buffer = {}});
    }
  }

  enum class Progress { kDone, kBlocked, kEnded };

  Progress fill(Connection& connection) {
    const ssize_t got = read(connection.fd, connection.buffer.data(), connection.buffer.size());
    if (got < 0) return errno == EAGAIN ? Progress::kBlocked : Progress::kEnded;
    connection.begin = 0;
    connection.end = static_cast<std::size_t>(got);
    if (got == 0) return Progress::kEnded;
    work_(connection.buffer.data());
    return Progress::kDone;
  }

  Progress drain(Connection& connection) {
    while (connection.begin < connection.end) {
      const ssize_t put = send(connection.fd, connection.buffer.data() + connection.begin,
                               connection.end - connection.begin, MSG_NOSIGNAL);
      if (put < 0) return errno == EAGAIN ? Progress::kBlocked : Progress::kEnded;
      connection.begin += static_cast<std::size_t>(put);
    }
    return Progress::kDone;
  }

  // Answers what has come. A read that does not fill the buffer has emptied the socket, so the next
  // edge reports what follows; only the end of the stream may have come before this edge and has to
  // be looked for.
  Progress echo(Connection& connection, bool peer_ended) {
    for (;;) {
      if (Progress sent = drain(connection); sent != Progress::kDone) return sent;
      if (Progress got = fill(connection); got != Progress::kDone) return got;
      const bool emptied = connection.end < connection.buffer.size();
      if (Progress sent = drain(connection); sent != Progress::kDone) return sent;
      if (emptied && !peer_ended) return Progress::kDone;
    }
  }

  void on_event(Connection* connection, std::uint32_t events) {
    const bool peer_ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (echo(*connection, peer_ended) != Progress::kEnded) return;
    close(connection->fd);
    delete connection;
  }

  const int epoll_ = epoll_create1(EPOLL_CLOEXEC);
  const int listener_;
  Work work_;
};

}  // namespace bench
