// Goal: a server takes every connection, however many come at once, tells each handler the right
// peer, and leaves none behind when it ends. Method: clients that connect while no worker may take
// them, by plain system calls.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <weft/owned_fd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "support/greeting.h"
#include "support/process_state.h"
#include "support/serve_error_log.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

// The kernel answers for the server, so nobody has to accept. The fiber does not suspend.
OwnedFd connect_at_once(const SocketAddress& server) {
  OwnedFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), server.data(), server.size()), 0);
  return fd;
}

std::string name_of(const OwnedFd& client) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  ::getsockname(client.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return SocketAddress::from(reinterpret_cast<const sockaddr*>(&name), size)->to_string();
}

// By turns, or ahead where the driver can.
class ServeMany : public testing::TestWithParam<bool> {
 protected:
  static ServeOptions options(ServeOptions others = {}) {
    others.accept_ahead = GetParam();
    return others;
  }
};

INSTANTIATE_TEST_SUITE_P(Accepts, ServeMany, testing::Bool(),
                         [](const auto& test) { return test.param ? "Ahead" : "ByTurns"; });

TEST_P(ServeMany, EachOfABurstIsServedUnderItsOwnAddress) {
  constexpr int kBurst = 300;
  run([] {
    std::mutex mutex;
    std::multiset<std::string> served, wanted;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0, {.backlog = 2 * kBurst});
    Task<void> server = spawn([&] {
      const auto note = [&](TcpStream& stream) {
        const std::lock_guard lock(mutex);
        served.insert(stream.peer_address().to_string());
      };
      serve(listener, note, options());
    });
    for (int round = 0; round < 3; ++round) {
      std::vector<OwnedFd> clients;
      for (int i = 0; i < kBurst; ++i) {
        clients.push_back(connect_at_once(listener.local_address()));
        wanted.insert(name_of(clients.back()));
      }
      until([&] {
        const std::lock_guard lock(mutex);
        return served.size() == wanted.size();
      });
    }
    listener.close();
    server.get();
    EXPECT_EQ(served, wanted);
  });
}

TEST_P(ServeMany, WhatWasSaidByThoseThatHaveGoneIsHeard) {
  constexpr int kRounds = 20, kAtOnce = 20;
  run([] {
    std::atomic<int> heard{0};
    const auto hear = [&](TcpStream& stream) {
      char word;
      if (stream.read_some(std::as_writable_bytes(std::span(&word, 1))) == 1) ++heard;
    };
    ServeErrorLog log;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, hear, options(log.options())); });
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kAtOnce; ++i) {
        const OwnedFd client = connect_at_once(listener.local_address());
        EXPECT_EQ(::send(client.get(), "x", 1, 0), 1);
        const linger at_once{1, 0};
        ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      }
      until([&] { return heard == (round + 1) * kAtOnce; });
    }
    listener.close();
    server.get();
    EXPECT_TRUE(log.errors().empty());
  });
}

// Whether the server has ended it, in whichever way. What it has said before does not count.
bool is_over(const OwnedFd& client) {
  char words[64];
  const ssize_t got = ::recv(client.get(), words, sizeof(words), MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN);
}

void wait_for_end(const std::vector<OwnedFd>& clients) {
  for (const OwnedFd& client : clients) until([&] { return is_over(client); });
}

// At an address that is free again; another program may have taken it meanwhile, now and then.
TcpListener listen_again(const SocketAddress& address, int& refused) {
  try {
    if (!address.empty()) return TcpListener::bind(address);
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::address_in_use) throw;
    ++refused;
  }
  return TcpListener::bind("127.0.0.1", 0);
}

TEST_P(ServeMany, EndLeavesNoDescriptorAndTheAddressIsFree) {
  run([] {
    const auto open_before = process_counts().descriptors;
    SocketAddress address;
    int refused = 0;
    for (int round = 0; round < 100; ++round) {
      TcpListener listener = listen_again(address, refused);
      address = listener.local_address();
      const bool by_cancel = round % 2 == 0;
      Task<void> server = spawn([&] { serve(listener, greet, options({.drain_timeout = {}})); });
      EXPECT_EQ(greeting_from(address), "hello");
      std::vector<OwnedFd> clients;
      for (int i = 0; i < 20; ++i) clients.push_back(connect_at_once(address));
      if (by_cancel) {
        server.cancel();
      } else {
        listener.close();
      }
      server.join();
      EXPECT_FALSE(listener.is_open());
      wait_for_end(clients);
    }
    EXPECT_LE(refused, 3);
    EXPECT_LE(process_counts().descriptors, open_before + 1);  // an epoll instance, say
  });
}

// The limit is kept to the letter: who is beyond it waits in the kernel.
TEST_P(ServeMany, NoneIsTakenBeyondTheLimit) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    std::vector<OwnedFd> clients;
    for (int i = 0; i < 10; ++i) clients.push_back(connect_at_once(listener.local_address()));
    Event go_on;
    std::atomic<int> served{0};
    const auto wait = [&](TcpStream&) {
      ++served;
      go_on.wait();
    };
    const auto before = process_counts().descriptors;
    Task<void> server = spawn([&] { serve(listener, wait, options({.max_connections = 2})); });
    until([&] { return served == 2; });
    sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(process_counts().descriptors, before + 2);
    EXPECT_EQ(served, 2);
    go_on.set();
    wait_for_end(clients);
    listener.close();
    server.get();
  });
}

}  // namespace
}  // namespace weft
