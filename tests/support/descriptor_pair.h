#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>

#include "reactor/fd_table.h"

namespace support {

/// Two ends of a connection: ours as the reactor has it, the peer's by its number.
struct DescriptorPair {
  DescriptorPair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    ours = weft::detail::Descriptor(fds[0]);
    peer = fds[1];
  }
  ~DescriptorPair() { hang_up(); }
  void send(std::string_view text) const {
    EXPECT_EQ(::send(peer, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  void hang_up() {
    if (peer >= 0) ::close(peer);
    peer = -1;
  }
  weft::detail::Readiness readiness(weft::detail::Direction direction) const {
    return weft::detail::FdTable::instance().find(ours.fd())->readiness(direction);
  }

  weft::detail::Descriptor ours;
  int peer = -1;
};

}  // namespace support
