// The floor of the stall workload: as many threads as there are workers, each with a listening
// socket, an epoll loop and connections of its own. The kernel deals the connections out, and what
// waits behind a request that burns stays with its thread.

#include <sys/socket.h>

#include <cstdint>
#include <thread>

#include "support/burn.h"
#include "support/end_with_stdin.h"
#include "support/epoll_echo.h"
#include "support/loopback.h"
#include "support/workers.h"

int main() {
  std::uint16_t port = 0;
  for (unsigned i = 0; i < bench::workers(); ++i) {
    // All listen before the port is told, so that each gets a share of the connections.
    const int listener = bench::listen_on_loopback(SOCK_NONBLOCK, &port, bench::Port::kShared);
    std::thread([listener] { bench::EpollEcho(listener, bench::burn_if_marked).run(); }).detach();
  }
  bench::say_listening(port);
  bench::wait_for_end_of_stdin();
}
