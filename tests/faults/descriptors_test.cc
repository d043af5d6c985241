// Goal: want of memory leaves no descriptor behind, neither one that was just made nor one that has
// just been received. Method: every operation is tried with each of its allocations failing in
// turn; the program's descriptors are counted.

#include <weft/weft.h>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "faults/bounded.h"
#include "faults/fail_each.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using faults::bounded;
using faults::fail_each;

// Each allocation of `operation` fails once, and as many descriptors are open afterwards as before.
void expect_none_left(const std::function<void()>& operation) {
  operation();  // what stays for good: the table's entries
  const std::size_t open = process_counts().descriptors;
  fail_each(operation, [&] { EXPECT_EQ(process_counts().descriptors, open); });
}

TEST(DescriptorsWithoutMemory, OfPipesSocketsAndDuplicates) {
  bounded(1, [] {
    expect_none_left([] { Pipe::open(); });
    expect_none_left([] { UnixStream::pair(); });
    expect_none_left([] { UdpSocket::bind(SocketAddress::parse("127.0.0.1", 0).value()); });
    expect_none_left([] { AsyncFd(0, "a name that is long enough for an allocation"); });
    expect_none_left([] { InheritedStream::open(0, "a name that is long enough for it"); });
    expect_none_left([] {
      std::array<int, 2> ends{};
      ASSERT_EQ(::pipe(ends.data()), 0);
      OwnedFd writer(ends[1]);
      PipeReader::adopt(ends[0]);
      PipeWriter::adopt(writer.release());
    });
    expect_none_left([] {
      std::array<int, 2> ends{};
      ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
      const OwnedFd other(ends[1]);
      UnixStream::adopt(ends[0]);
    });
    expect_none_left([] { UdpSocket::adopt(::socket(AF_INET, SOCK_DGRAM, 0)); });
    expect_none_left([] {
      const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
      ASSERT_EQ(::listen(fd, 1), 0);
      TcpListener::adopt(fd);
    });
    expect_none_left([] {
      const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
      const sockaddr anonymous{AF_UNIX, {}};  // the kernel finds a name
      ASSERT_EQ(::bind(fd, &anonymous, sizeof(anonymous.sa_family)), 0);
      ASSERT_EQ(::listen(fd, 1), 0);
      UnixListener::adopt(fd);
    });
    expect_none_left([] {
      // Refused.
      EXPECT_NE(error_of([] { TcpListener::adopt(::socket(AF_INET, SOCK_STREAM, 0)); }),
                std::error_code());
    });
  });
}

TEST(DescriptorsWithoutMemory, OfUnixConnections) {
  bounded(1, [] {
    const TemporaryFolder folder;
    const std::string path = folder / "a_socket_with_a_name_of_some_length";
    expect_none_left([&] {
      UnixListener listener = UnixListener::bind(path);
      UnixStream client = UnixStream::connect(path);
      UnixStream server = listener.accept();
    });
    EXPECT_FALSE(std::filesystem::exists(path));
  });
}

TEST(DescriptorsWithoutMemory, OnTheirWay) {
  bounded(1, [] {
    const Pipe pipe = Pipe::open();
    const std::array passed{pipe.reader.native_handle(), pipe.writer.native_handle()};
    const std::array<std::byte, 1> data{};
    expect_none_left([&] {
      auto [one, other] = UnixStream::pair();
      one.write_with_descriptors(data, passed);
      std::array<std::byte, 8> buffer;
      EXPECT_EQ(other.read_with_descriptors(buffer).descriptors.size(), 2U);
    });
  });
}

TEST(DescriptorsWithoutMemory, OfARaceToConnect) {
  bounded(1, [] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    std::vector<SocketAddress> peers{TcpListener::bind("127.0.0.1", 0).local_address()};
    peers.push_back(listener.local_address());
    expect_none_left([&] {
      TcpStream client = TcpStream::connect_any(peers, "host");
      TcpStream server = listener.accept();
    });
  });
}

}  // namespace
}  // namespace weft
