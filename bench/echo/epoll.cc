// The floor of the echo workload: one thread, one epoll loop, the system calls that an echo needs
// and nothing else.

#include <sys/socket.h>

#include <cstdint>

#include "support/end_with_stdin.h"
#include "support/epoll_echo.h"
#include "support/loopback.h"

int main() {
  std::uint16_t port = 0;
  const int listener = bench::listen_on_loopback(SOCK_NONBLOCK, &port);
  bench::EpollEcho server(listener, [](const char*) {});
  bench::end_with_stdin();
  bench::say_listening(port);
  server.run();
}
