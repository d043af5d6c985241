// The echo workload with a thread a connection, blocking.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <thread>

#include "support/check.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"

namespace {

bool send_all(int fd, const char* data, std::size_t length) {
  while (length > 0) {
    const ssize_t put = send(fd, data, length, MSG_NOSIGNAL);
    if (put < 0) return false;
    data += put;
    length -= static_cast<std::size_t>(put);
  }
  return true;
}

void echo(int fd) {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got <= 0 || !send_all(fd, buffer.data(), static_cast<std::size_t>(got))) break;
  }
  close(fd);
}

}  // namespace

int main() {
  std::uint16_t port = 0;
  const int listener = bench::listen_on_loopback(0, &port);
  bench::end_with_stdin();
  bench::say_listening(port);
  for (;;) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      bench::check(errno == EINTR || errno == ECONNABORTED, "accept4");
      continue;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    std::thread(echo, fd).detach();
  }
}
