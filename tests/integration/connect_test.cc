// Goal: of a host's addresses the first that answers is taken, soon, and the others leave nothing.
// Method: loopback addresses, some of which refuse and some of which never answer, as the backlog
// of their listener is full.

#include <weft/tcp.h>

#include <gmock/gmock.h>
#include <netinet/tcp.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/process_state.h"
#include "support/task_steps.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::string_view kName = "host.test:80";

// A listener that answers nobody any more.
class Silent {
 public:
  explicit Silent(const char* host = "127.0.0.1")
      : listener_(TcpListener::bind(host, 0, {.backlog = 0})) {
    try {
      for (;;) {
        queued_.push_back(timeout(milliseconds(30), [&] { return TcpStream::connect(address()); }));
      }
    } catch (const TimeoutError&) {
    }
  }
  SocketAddress address() const { return listener_.local_address(); }

 private:
  TcpListener listener_;
  std::vector<TcpStream> queued_;
};

SocketAddress refusing(const char* host = "127.0.0.1") {
  return TcpListener::bind(host, 0).local_address();
}

TEST(ConnectAny, OneAddressIsLikeConnect) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const std::vector peers{listener.local_address()};
    EXPECT_EQ(TcpStream::connect_any(peers, kName).peer_address(), peers[0]);
    EXPECT_THROW(TcpStream::connect_any({}, kName), std::invalid_argument);
    const std::vector empty{SocketAddress()};
    EXPECT_THROW(TcpStream::connect_any(empty, kName), std::invalid_argument);
  });
}

TEST(ConnectAny, RefusalMakesWayAtOnce) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const std::vector peers{refusing(), refusing(), refusing(), listener.local_address()};
    const auto before = Clock::now();
    TcpStream stream = TcpStream::connect_any(peers, kName, std::chrono::minutes(1));
    EXPECT_EQ(stream.peer_address(), peers[3]);
    EXPECT_LT(Clock::now() - before, kGenerous);
  });
}

TEST(ConnectAny, SilenceMakesWayAfterTheDelay) {
  run([] {
    const Silent silent, other;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const std::vector peers{silent.address(), other.address(), listener.local_address()};
    const std::size_t open = process_counts().descriptors;
    const auto before = Clock::now();
    TcpStream stream = TcpStream::connect_any(peers, kName, milliseconds(20));
    const auto time = Clock::now() - before;
    EXPECT_EQ(stream.peer_address(), peers[2]);
    EXPECT_GE(time, milliseconds(40)) << "each has its time";
    EXPECT_LT(time, kGenerous);
    EXPECT_EQ(process_counts().descriptors, open + 1);
    EXPECT_EQ(all_tasks().size(), 1U) << "the losers have ended";
    TcpStream served = listener.accept();
    stream.write_all("usable");
    stream.close();
    EXPECT_EQ(served.read_to_end(10), "usable");
  });
}

TEST(ConnectAny, DelayWithoutEndIsOne) {
  run([] {
    const Silent silent;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const std::vector peers{silent.address(), listener.local_address()};
    const auto connect = [&](std::chrono::nanoseconds delay) {
      return timeout(milliseconds(100),
                     [&] { return TcpStream::connect_any(peers, kName, delay).peer_address(); });
    };
    EXPECT_THROW(connect(std::chrono::nanoseconds::max()), TimeoutError);
    EXPECT_EQ(timeout(kGenerous,
                      [&] {
                        return TcpStream::connect_any(peers, kName, std::chrono::nanoseconds::min())
                            .peer_address();
                      }),
              peers[1]);
    const std::vector refused{refusing(), listener.local_address()};
    EXPECT_EQ(
        TcpStream::connect_any(refused, kName, std::chrono::nanoseconds::max()).peer_address(),
        refused[1]);
  });
}

// The first is slow to fail the race: the second is refused at once, and the third need not wait.
TEST(ConnectAny, FailureOfALaterOneStartsTheNextAtOnce) {
  run([] {
    const Silent silent;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const std::vector peers{silent.address(), refusing(), refusing(), listener.local_address()};
    const auto before = Clock::now();
    TcpStream stream = TcpStream::connect_any(peers, kName, milliseconds(500));
    EXPECT_EQ(stream.peer_address(), peers[3]);
    EXPECT_GE(Clock::now() - before, milliseconds(500));
    EXPECT_LT(Clock::now() - before, milliseconds(1400)) << "one delay, not three";
  });
}

TEST(ConnectAny, FamiliesTakeTurns) {
  run([] {
    std::optional<TcpListener> six;
    try {
      six = TcpListener::bind("::1", 0);
    } catch (const std::system_error&) {
      GTEST_SKIP() << "no IPv6 here";
    }
    const Silent one, two, three;
    const std::vector peers{one.address(), two.address(), three.address(), six->local_address()};
    const auto before = Clock::now();
    TcpStream stream = TcpStream::connect_any(peers, kName, milliseconds(500));
    EXPECT_TRUE(stream.peer_address().is_ipv6());
    EXPECT_LT(Clock::now() - before, milliseconds(1400)) << "it was the second in turn";
  });
}

TEST(ConnectAny, ErrorNamesTheHostAndEveryAddress) {
  run([] {
    const std::vector peers{refusing(), refusing()};
    const auto connect = [&] { TcpStream::connect_any(peers, kName); };
    EXPECT_EQ(error_of(connect), std::errc::connection_refused);
    const std::string message = message_of(connect);
    EXPECT_THAT(message, HasSubstr("connect to host.test:80 ("));
    for (const SocketAddress& peer : peers) {
      EXPECT_THAT(message, HasSubstr(peer.to_string() + ": Connection refused"));
    }
    const std::string by_name =
        message_of([&] { TcpStream::connect("localhost", peers[0].port()); });
    EXPECT_THAT(by_name, HasSubstr("connect to localhost:"));
    EXPECT_THAT(by_name, HasSubstr(peers[0].to_string() + ": Connection refused"));
  });
}

TEST(ConnectAny, CancelledLeavesNothing) {
  run([] {
    const Silent silent, other;
    const std::vector peers{silent.address(), other.address(), silent.address()};
    const std::size_t open = process_counts().descriptors;
    for (const milliseconds when : {milliseconds(0), milliseconds(2), milliseconds(15)}) {
      Task<TcpStream> task =
          spawn([&] { return TcpStream::connect_any(peers, kName, milliseconds(5)); });
      sleep_for(when);
      EXPECT_FALSE(task.done());
      task.cancel();
      task.join();
      EXPECT_TRUE(task.cancelled());
      EXPECT_EQ(process_counts().descriptors, open);
      EXPECT_EQ(all_tasks().size(), 1U);
    }
    EXPECT_THROW(timeout(milliseconds(12),
                         [&] { return TcpStream::connect_any(peers, kName, milliseconds(5)); }),
                 TimeoutError);
    EXPECT_EQ(process_counts().descriptors, open);
  });
}

TEST(ConnectAny, ManyRacesAtOnceLeaveNothing) {
  run([] {
    const Silent silent;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, [](TcpStream& s) { s.read_to_end(10); }); });
    const std::size_t open = process_counts().descriptors;
    const std::vector peers{silent.address(), listener.local_address(), refusing(),
                            listener.local_address()};
    std::vector<Task<void>> clients;
    for (int i = 0; i < 60; ++i) {
      clients.push_back(spawn([&, i] {
        TcpStream stream = TcpStream::connect_any(peers, kName, milliseconds(i % 4));
        stream.write_all("x");
      }));
    }
    for (Task<void>& client : clients) client.get();
    until([&] { return process_counts().descriptors == open; });
    listener.close();
    server.get();
  });
}

int option_of(const TcpStream& stream, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(stream.native_handle(), level, option, &value, &size), 0);
  return value;
}

TEST(TcpOptions, ReachTheKernel) {
  run([] {
    Connected pair = connect_pair();
    TcpStream& stream = pair.client;
    stream.set_keepalive(std::chrono::seconds(7), std::chrono::seconds(3), 4);
    EXPECT_EQ(option_of(stream, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_EQ(option_of(stream, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    EXPECT_EQ(option_of(stream, IPPROTO_TCP, TCP_KEEPINTVL), 3);
    EXPECT_EQ(option_of(stream, IPPROTO_TCP, TCP_KEEPCNT), 4);
    stream.disable_keepalive();
    EXPECT_EQ(option_of(stream, SOL_SOCKET, SO_KEEPALIVE), 0);
    stream.set_receive_buffer(20'000);
    stream.set_send_buffer(30'000);
    EXPECT_EQ(option_of(stream, SOL_SOCKET, SO_RCVBUF), 40'000);
    EXPECT_EQ(option_of(stream, SOL_SOCKET, SO_SNDBUF), 60'000);
    stream.set_quickack(true);
    stream.set_nodelay(false);
    EXPECT_EQ(option_of(stream, IPPROTO_TCP, TCP_NODELAY), 0);
    EXPECT_EQ(error_of([&] {
                stream.set_keepalive(std::chrono::seconds(0), std::chrono::seconds(1), 1);
              }),
              std::errc::invalid_argument);
    stream.set_reset_on_close(true);
    stream.close();
    std::string byte(1, ' ');
    EXPECT_EQ(error_of([&] { pair.server.read_some(bytes_of(byte)); }),
              std::errc::connection_reset);
    EXPECT_EQ(error_of([&] { stream.set_quickack(true); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([&] { stream.set_quickack(true); }), HasSubstr("set_quickack on"));
  });
}

}  // namespace
}  // namespace weft
