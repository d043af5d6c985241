#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>

#include "check.h"

namespace bench {

// Whether others may listen on the same port; the kernel then deals connections out among them.
enum class Port : bool { kOwn, kShared };

// A socket that listens on the loopback, on a free port or on the shared one that `*port` names;
// `flags` are those of socket().
inline int listen_on_loopback(int flags, std::uint16_t* port, Port kind = Port::kOwn) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  check(fd >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (kind == Port::kShared) {
    const int on = 1;
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0, "SO_REUSEPORT");
    address.sin_port = htons(*port);
  }
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  check(bind(fd, generic, length) == 0, "bind");
  check(listen(fd, SOMAXCONN) == 0, "listen");
  check(getsockname(fd, generic, &length) == 0, "getsockname");
  *port = ntohs(address.sin_port);
  return fd;
}

// The line of output that the harness waits for.
inline void say_listening(std::uint16_t port) {
  std::printf("listening on 127.0.0.1:%u\n", unsigned{port});
  std::fflush(stdout);
}

}  // namespace bench
