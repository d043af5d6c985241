// The other floor of the echo workload: one thread and one io_uring, with the operations that an
// echo needs and nothing else. Where the kernel grants no such ring it says so and ends with the
// code of a skipped program.

#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/check.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"

namespace {

constexpr unsigned kEntries = 4096;
constexpr int kSkipped = 77;

class UringEcho {
 public:
  explicit UringEcho(int listener) : listener_(listener) {
    // Completions are worked off when this thread asks for them, and at no other time.
    const unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                           IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE;
    io_uring_params parameters{};
    parameters.flags = flags;
    parameters.cq_entries = 4 * kEntries;
    const int error = io_uring_queue_init_params(kEntries, &ring_, &parameters);
    if (error != 0) {
      std::fprintf(stderr, "no io_uring here: %s\n", std::strerror(-error));
      std::_Exit(kSkipped);
    }
    io_uring_register_ring_fd(&ring_);
  }

  [[noreturn]] void run() {
    accept();
    for (;;) {
      const int submitted = io_uring_submit_and_wait(&ring_, 1);
      bench::check(submitted >= 0 || submitted == -EINTR, "io_uring_submit_and_wait");
      io_uring_cqe* completion = nullptr;
      unsigned head = 0, seen = 0;
      io_uring_for_each_cqe(&ring_, head, completion) {
        ++seen;
        auto* const connection = static_cast<Connection*>(io_uring_cqe_get_data(completion));
        if (connection == nullptr) {
          on_accept(completion->res, completion->flags);
        } else {
          on_done(*connection, completion->res);
        }
      }
      io_uring_cq_advance(&ring_, seen);
    }
  }

 private:
  struct Connection {
    int fd;
    bool sending = false;
    std::size_t begin = 0;  // [begin, end) of buffer has been read and not yet written
    std::size_t end = 0;
    std::array<char, 4096> buffer;
  };

  io_uring_sqe* next_entry() {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
      io_uring_submit(&ring_);
      entry = io_uring_get_sqe(&ring_);
    }
    return entry;
  }

  void accept() {
    io_uring_sqe* const entry = next_entry();
    io_uring_prep_multishot_accept(entry, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data(entry, nullptr);
  }

  void on_accept(int fd, unsigned flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) accept();
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    receive(*new Connection{.fd = fd, .buffer = {}});
  }

  void receive(Connection& connection) {
    connection.sending = false;
    io_uring_sqe* const entry = next_entry();
    io_uring_prep_recv(entry, connection.fd, connection.buffer.data(), connection.buffer.size(), 0);
    io_uring_sqe_set_data(entry, &connection);
  }

  void send(Connection& connection) {
    connection.sending = true;
    io_uring_sqe* const entry = next_entry();
    io_uring_prep_send(entry, connection.fd, connection.buffer.data() + connection.begin,
                       connection.end - connection.begin, MSG_NOSIGNAL);
    io_uring_sqe_set_data(entry, &connection);
  }

  void on_done(Connection& connection, int result) {
    if (result <= 0) {
      close(connection.fd);
      delete &connection;
      return;
    }
    if (connection.sending) {
      connection.begin += static_cast<std::size_t>(result);
    } else {
      connection.begin = 0;
      connection.end = static_cast<std::size_t>(result);
    }
    connection.begin < connection.end ? send(connection) : receive(connection);
  }

  const int listener_;
  io_uring ring_{};
};

}  // namespace

int main() {
  std::uint16_t port = 0;
  const int listener = bench::listen_on_loopback(0, &port);
  UringEcho server(listener);
  bench::end_with_stdin();
  bench::say_listening(port);
  server.run();
}
