#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>

#include "check.h"

namespace bench {

// A socket that listens on a free port of the loopback; `flags` are those of socket().
inline int listen_on_loopback(int flags, std::uint16_t* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  check(fd >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
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
