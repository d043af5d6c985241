// Goal: what connects to a peer says what it says in a thread, also where it sends at the same
// time, and when its time is up. Method: listeners that take what comes, or have no room for more.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <cerrno>

#include "hook/support.h"

namespace {

using namespace hook_test;

class HookedConnections : public OnWorkers {
 protected:
  HookedConnections() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedConnections, testing::Values(1U, 2U));

int new_socket(int flags = 0) { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0); }

struct Listener {
  explicit Listener(int room) {
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd, address(), size), 0);
    EXPECT_EQ(::listen(fd, room), 0);
    EXPECT_EQ(::getsockname(fd, address(), &size), 0);
  }
  ~Listener() { ::close(fd); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&name); }
  int fd = new_socket();
  sockaddr_in name{};
  socklen_t size = sizeof(name);
};

TEST_P(HookedConnections, AreMadeByWhatSendsAtTheSameTime) {
  run([&] {
    Listener listener(10);
    for (const bool as_message : {false, true}) {
      const int fd = new_socket();
      const Came came = call([&] {
        if (!as_message) {
          return ::sendto(fd, "hello", 5, MSG_FASTOPEN, listener.address(), listener.size);
        }
        iovec part{const_cast<char*>("hello"), 5};
        msghdr message{};
        message.msg_name = listener.address();
        message.msg_namelen = listener.size;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        return ::sendmsg(fd, &message, MSG_FASTOPEN);
      });
      EXPECT_EQ(came.result, 5);
      EXPECT_EQ(came.error, 0);
      const int taken = ::accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC);
      std::array<char, 5> bytes{};
      EXPECT_EQ(::recv(taken, bytes.data(), bytes.size(), MSG_WAITALL), 5);
      for (const int each : {fd, taken}) ::close(each);
    }
  });
}

TEST_P(HookedConnections, ThatSendAtTheSameTimeAreRefused) {
  run([&] {
    Listener listener(10);
    const int fd = new_socket();
    EXPECT_EQ(::shutdown(listener.fd, SHUT_RDWR), 0);
    const Came came = call(
        [&] { return ::sendto(fd, "hello", 5, MSG_FASTOPEN, listener.address(), listener.size); });
    EXPECT_EQ(came.result, -1);
    EXPECT_EQ(came.error, ECONNREFUSED);
    ::close(fd);
  });
}

TEST_P(HookedConnections, WhoseTimeIsUpSayWhetherTheyHadBegunBefore) {
  run([&] {
    Listener listener(0);
    const int first = new_socket(), second = new_socket(SOCK_NONBLOCK), third = new_socket();
    EXPECT_EQ(::connect(first, listener.address(), listener.size), 0);
    ::connect(second, listener.address(), listener.size);
    const timeval limit{.tv_sec = 0, .tv_usec = 50'000};
    EXPECT_EQ(::setsockopt(third, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    for (const int error : {EINPROGRESS, EALREADY}) {
      const Came came = call([&] { return ::connect(third, listener.address(), listener.size); });
      EXPECT_EQ(came.result, -1);
      EXPECT_EQ(came.error, error);
    }
    const int fourth = new_socket();
    EXPECT_EQ(::setsockopt(fourth, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    const Came sent = call(
        [&] { return ::sendto(fourth, "x", 1, MSG_FASTOPEN, listener.address(), listener.size); });
    EXPECT_EQ(sent.result, -1);
    EXPECT_EQ(sent.error, EINPROGRESS);
    for (const int fd : {first, second, third, fourth}) ::close(fd);
  });
}

}  // namespace
