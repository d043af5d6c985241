// Goal: sockets that somebody else has opened, bound and listened on are taken over, and what is
// none of the wanted kind is refused with a word on what it is. Method: sockets made by hand, and
// duplicates that stay with "the other program".

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/owned_fd.h>

#include <cstring>
#include <string>

#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using testing::AllOf;
using testing::HasSubstr;

int internet_socket(int type, const char* host = "127.0.0.1") {
  const SocketAddress address = SocketAddress::parse(host, 0).value();
  const int fd = ::socket(address.data()->sa_family, type, 0);
  EXPECT_EQ(::bind(fd, address.data(), address.size()), 0) << std::strerror(errno);
  return fd;
}

int listening(int fd) {
  EXPECT_EQ(::listen(fd, 10), 0);
  return fd;
}

int unix_socket(int type, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool abstract = path.starts_with('@');
  std::memcpy(address.sun_path, path.data(), path.size());
  if (abstract) address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, type, 0);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0) << std::strerror(errno);
  return fd;
}

bool closes_on_exec(int fd) { return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0; }

bool sends_at_once(const TcpStream& stream) {
  int on = 0;
  socklen_t size = sizeof(on);
  EXPECT_EQ(::getsockopt(stream.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  return on == 1;
}

class AdoptedTcp : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(, AdoptedTcp, testing::Values("127.0.0.1", "::1"), [](const auto& host) {
  return host.param[0] == ':' ? std::string("Ipv6") : std::string("Ipv4");
});

TEST_P(AdoptedTcp, ListenerTakesConnections) {
  run([] {
    const int fd = listening(internet_socket(SOCK_STREAM, GetParam()));
    TcpListener listener = TcpListener::adopt(fd);
    EXPECT_EQ(listener.native_handle(), fd);
    EXPECT_TRUE(closes_on_exec(fd));
    EXPECT_EQ(listener.local_address().host(), GetParam());
    EXPECT_GT(listener.local_port(), 0);
    // It waits, and no worker with it.
    Task<TcpStream> accepted = spawn([&] { return listener.accept(); });
    sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(accepted.done());
    TcpStream client = TcpStream::connect(listener.local_address());
    TcpStream server = std::move(accepted).get();
    EXPECT_TRUE(sends_at_once(server));
    client.write_all("hello");
    client.shutdown();
    EXPECT_EQ(server.read_to_end(10), "hello");
  });
}

// As an init system does, which starts the program anew when it has ended.
TEST(Adopt, ListenerOfAnotherLivesOn) {
  run([] {
    const OwnedFd theirs(listening(internet_socket(SOCK_STREAM)));
    SocketAddress address;
    for (int life = 0; life < 3; ++life) {
      TcpListener listener = TcpListener::adopt(::dup(theirs.get()));
      address = listener.local_address();
      Task<void> server =
          spawn([&] { serve(listener, [](TcpStream& stream) { stream.write_all("served"); }); });
      EXPECT_EQ(TcpStream::connect(address).read_to_end(10), "served");
      listener.close();
      server.get();
    }
    EXPECT_TRUE(TcpStream::connect(address).is_open()) << "theirs still listens";
  });
}

TEST(Adopt, UnixListenerLeavesItsFile) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder / "socket";
    {
      UnixListener listener = UnixListener::adopt(listening(unix_socket(SOCK_STREAM, path)));
      EXPECT_EQ(listener.path(), path);
      EXPECT_TRUE(closes_on_exec(listener.native_handle()));
      auto [client, server] =
          gather([&] { return UnixStream::connect(path); }, [&] { return listener.accept(); });
      client.write_all("hello");
      client.shutdown();
      EXPECT_EQ(server.read_to_end(10), "hello");
    }
    EXPECT_THAT(folder.names(), testing::ElementsAre("socket"));

    const std::string name = "@weft adopt test " + std::to_string(::getpid());
    UnixListener abstract = UnixListener::adopt(listening(unix_socket(SOCK_STREAM, name)));
    EXPECT_EQ(abstract.path(), name);
    EXPECT_TRUE(UnixStream::connect(name).is_open());
    EXPECT_THAT(message_of([&] {
                  abstract.close();
                  abstract.accept();
                }),
                HasSubstr("accept on " + name));
  });
}

TEST(Adopt, UdpSocketSendsAndReceives) {
  run([] {
    UdpSocket one = UdpSocket::adopt(internet_socket(SOCK_DGRAM));
    UdpSocket other = UdpSocket::adopt(internet_socket(SOCK_DGRAM));
    EXPECT_TRUE(closes_on_exec(one.native_handle()));
    std::string text(10, ' ');
    Task<Datagram> waiting = spawn([&] { return one.receive(bytes_of(text)); });
    sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(waiting.done());
    other.send_to(one.local_address(), "hello");
    const Datagram datagram = waiting.get();
    EXPECT_EQ(text.substr(0, datagram.size), "hello");
    EXPECT_EQ(datagram.peer, other.local_address());
    one.connect_to(other.local_address());
    one.set_multicast_hops(2);  // which depends on the family
    UdpSocket again = UdpSocket::adopt(::dup(one.native_handle()));
    EXPECT_EQ(again.peer_address(), other.local_address());
    // One that is not bound yet is bound by the kernel when it sends.
    UdpSocket fresh = UdpSocket::adopt(::socket(AF_INET, SOCK_DGRAM, 0));
    fresh.send_to(other.local_address(), "bound");
    EXPECT_EQ(other.receive(bytes_of(text)).size, 5U);
  });
}

struct Refused {
  const char* name;
  int (*open)();
  void (*adopt)(int fd);
  std::errc code;
  const char* message;
};

int unix_pair_end(int type) {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, type, 0, ends), 0);
  ::close(ends[1]);
  return ends[0];
}

constexpr auto kTcpListener = [](int fd) { TcpListener::adopt(fd); };
constexpr auto kUnixListener = [](int fd) { UnixListener::adopt(fd); };
constexpr auto kUdp = [](int fd) { UdpSocket::adopt(fd); };
constexpr auto kTcpStream = [](int fd) { TcpStream::adopt(fd); };
constexpr auto kTcpSocket = [] { return internet_socket(SOCK_STREAM); };
constexpr auto kTcpListening = [] { return listening(internet_socket(SOCK_STREAM)); };
constexpr auto kUdpSocket = [] { return internet_socket(SOCK_DGRAM); };
constexpr auto kUnixListening = [] {
  return listening(unix_socket(SOCK_STREAM, "@weft refused " + std::to_string(::getpid())));
};

const Refused kRefused[] = {
    {"TcpListenerThatDoesNotListen", kTcpSocket, kTcpListener, std::errc::invalid_argument,
     "as a TCP listener: it does not listen"},
    {"TcpListenerThatIsUdp", kUdpSocket, kTcpListener, std::errc::wrong_protocol_type,
     "as a TCP listener: it is a datagram socket"},
    {"TcpListenerThatIsUnix", kUnixListening, kTcpListener, std::errc::wrong_protocol_type,
     "as a TCP listener: it is a Unix socket"},
    {"TcpListenerThatIsAFile", [] { return ::open("/dev/null", O_RDWR); }, kTcpListener,
     std::errc::not_a_socket, "as a TCP listener"},
    {"TcpStreamThatListens", kTcpListening, kTcpStream, std::errc::not_connected,
     "as a TCP connection: it listens"},
    {"TcpStreamThatIsNotConnected", kTcpSocket, kTcpStream, std::errc::not_connected,
     "as a TCP connection"},
    {"UnixListenerThatIsConnected", [] { return unix_pair_end(SOCK_STREAM); }, kUnixListener,
     std::errc::invalid_argument, "as a Unix listener: it does not listen"},
    {"UnixListenerThatIsTcp", kTcpListening, kUnixListener, std::errc::wrong_protocol_type,
     "as a Unix listener: it is a socket of the internet"},
    {"UnixListenerOfPackets", [] { return unix_pair_end(SOCK_SEQPACKET); }, kUnixListener,
     std::errc::wrong_protocol_type, "as a Unix listener: it is a socket of sequenced packets"},
    {"UdpSocketThatIsTcp", kTcpSocket, kUdp, std::errc::wrong_protocol_type,
     "as a UDP socket: it is a stream socket"},
    {"UdpSocketThatIsUnix", [] { return unix_pair_end(SOCK_DGRAM); }, kUdp,
     std::errc::wrong_protocol_type, "as a UDP socket: it is a Unix socket"},
};

class AdoptRefuses : public testing::TestWithParam<Refused> {};
INSTANTIATE_TEST_SUITE_P(, AdoptRefuses, testing::ValuesIn(kRefused),
                         [](const auto& refused) { return refused.param.name; });

TEST_P(AdoptRefuses, AndSaysWhatItIs) {
  const Refused& refused = GetParam();
  const std::size_t open = process_counts().descriptors;
  const int fd = refused.open();
  ASSERT_GE(fd, 0);
  try {
    refused.adopt(fd);
    ADD_FAILURE() << "it was taken";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), refused.code);
    EXPECT_THAT(error.what(),
                HasSubstr("adopt descriptor " + std::to_string(fd) + ' ' + refused.message));
  }
  EXPECT_EQ(process_counts().descriptors, open) << "it was not closed";
}

TEST(Adopt, WhatIsNotOpenIsNobodys) {
  EXPECT_EQ(error_of([] { TcpListener::adopt(-1); }), std::errc::bad_file_descriptor);
  EXPECT_EQ(error_of([] { UnixListener::adopt(-1); }), std::errc::bad_file_descriptor);
  EXPECT_THAT(message_of([] { UdpSocket::adopt(-1); }),
              HasSubstr("adopt descriptor -1 as a UDP socket: Bad file descriptor"));
}

}  // namespace
}  // namespace weft
