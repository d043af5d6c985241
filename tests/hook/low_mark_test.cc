// Goal: SO_RCVLOWAT is what each call that receives waits for, as in a thread. Method: three bytes
// are there or come, and ten more when the fiber has had the time to be content with three.

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/uio.h>

#include <string>
#include <vector>

#include "hook/support.h"

namespace {

using namespace hook_test;
using weft::Task;

class HookedLowMark : public OnWorkers {
 protected:
  HookedLowMark() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedLowMark, testing::Values(1U, 2U));

/// Two ends of a connection of TCP.
std::array<int, 2> connected() {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const address = reinterpret_cast<sockaddr*>(&name);
  socklen_t size = sizeof(name);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::bind(listener, address, size), 0);
  EXPECT_EQ(::listen(listener, 1), 0);
  EXPECT_EQ(::getsockname(listener, address, &size), 0);
  const int one = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(one, address, size), 0);
  const int other = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  ::close(listener);
  return {one, other};
}

using Receive = std::function<ssize_t(int, void*, std::size_t)>;

const std::vector<Receive> kCalls{
    [](int fd, void* into, std::size_t size) { return ::read(fd, into, size); },
    [](int fd, void* into, std::size_t size) { return ::recv(fd, into, size, 0); },
    [](int fd, void* into, std::size_t size) { return ::recv(fd, into, size, MSG_NOSIGNAL); },
    [](int fd, void* into, std::size_t size) {
      const iovec part{into, size};
      return ::readv(fd, &part, 1);
    },
    [](int fd, void* into, std::size_t size) {
      iovec part{into, size};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      return ::recvmsg(fd, &message, 0);
    },
};

void set_mark(int fd, int mark) {
  EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)), 0);
}

// What came of a call that could have 64 bytes.
ssize_t receive_in_two_goes(const std::array<int, 2>& fds, const Receive& receive, bool there) {
  const auto send = [&](std::size_t size) {
    EXPECT_EQ(::send(fds[1], "0123456789", size, 0), static_cast<ssize_t>(size));
  };
  if (there) send(3);
  std::array<char, 64> bytes{};
  Task<ssize_t> receiver = weft::spawn([&] { return receive(fds[0], bytes.data(), bytes.size()); });
  let_them_sleep();
  if (!there) send(3);
  let_them_sleep();
  send(10);
  const ssize_t count = receiver.get();
  if (count == 13) {
    EXPECT_EQ(std::string(bytes.data(), 13), "0120123456789");
  }
  return count;
}

TEST_P(HookedLowMark, IsWaitedForByEveryCall) {
  run([&] {
    for (const Receive& receive : kCalls) {
      for (const bool there : {false, true}) {
        const Pair pair;
        const std::array<int, 2> tcp = connected();
        for (const std::array<int, 2>& fds : {pair.fds, tcp}) {
          set_mark(fds[0], 10);
          EXPECT_EQ(receive_in_two_goes(fds, receive, there), 13);
        }
        for (const int fd : tcp) ::close(fd);
      }
    }
  });
}

TEST_P(HookedLowMark, IsNoMoreThanWasAskedForOrWillCome) {
  run([&] {
    Pair pair;
    set_mark(pair[0], 10);
    for (const Receive& receive : kCalls) {
      std::array<char, 64> bytes{};
      EXPECT_EQ(::send(pair[1], "abc", 3, 0), 3);
      EXPECT_EQ(receive(pair[0], bytes.data(), 3), 3);
    }
    std::array<char, 64> bytes{};
    EXPECT_EQ(::send(pair[1], "abc", 3, 0), 3);
    pair.close(1);
    for (const ssize_t count : {3, 0}) EXPECT_EQ(::read(pair[0], bytes.data(), 64), count);
  });
}

TEST_P(HookedLowMark, DoesNotMatterToDatagramsAndPipes) {
  run([&] {
    const Pair pair(SOCK_DGRAM);
    set_mark(pair[0], 10);
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    std::array<char, 64> bytes{};
    for (const Receive& receive : kCalls) {
      EXPECT_EQ(::send(pair[1], "abc", 3, 0), 3);
      EXPECT_EQ(receive(pair[0], bytes.data(), bytes.size()), 3);
    }
    EXPECT_EQ(::write(pipe[1], "abc", 3), 3);
    EXPECT_EQ(::read(pipe[0], bytes.data(), bytes.size()), 3);
    for (const int fd : pipe) ::close(fd);
  });
}

}  // namespace
