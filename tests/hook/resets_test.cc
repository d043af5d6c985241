// Goal: what has been transferred counts, and the error that ended it is the next call's, as with
// libc. Method: the same connections are reset in the middle of the same calls in a plain thread,
// whose calls are libc's, and in a fiber; what came of each call must be equal.

#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "hook/support.h"
#include "support/watchdog.h"

namespace {

using namespace hook_test;

std::atomic<int> g_signals{0};

class HookedResets : public testing::Test {
 protected:
  HookedResets() {
    ::signal(SIGPIPE, [](int) { ++g_signals; });
  }
  ~HookedResets() override { ::signal(SIGPIPE, SIG_DFL); }

 private:
  support::Watchdog watchdog_{"a reset", std::chrono::seconds(20)};
};

struct Connection {
  explicit Connection(int family) {
    if (family == AF_UNIX) {
      std::array<int, 2> ends{};
      EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
      ours = ends[0];
      theirs = ends[1];
      // What the peer has not read when it closes makes a reset of it.
      EXPECT_EQ(::write(ours, "unread", 6), 6);
      return;
    }
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(listener, any, size), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, any, &size), 0);
    ours = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(ours, any, size), 0);
    theirs = ::accept(listener, nullptr, nullptr);
    ::close(listener);
  }
  ~Connection() { ::close(ours); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Once `until()` holds for a while, from a plain thread.
  template <class Until>
  std::jthread reset_once(Until until) {
    return std::jthread([this, until] {
      for (int calm = 0; calm < 20; calm = until() ? calm + 1 : 0) {
        std::this_thread::sleep_for(1ms);
      }
      const linger at_once{1, 0};
      ::setsockopt(theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
      ::close(theirs);
    });
  }

  int ours = -1;
  int theirs = -1;
};

bool is(int fd, short events) {
  pollfd item{fd, events, 0};
  return ::poll(&item, 1, 0) == 1;
}

struct Transfer {
  const char* name;
  ssize_t (*call)(int fd, void* bytes, std::size_t size);
};

msghdr message_of(iovec& part) {
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return message;
}

const Transfer kWrites[] = {
    {"write", [](int fd, void* bytes, std::size_t size) { return ::write(fd, bytes, size); }},
    {"writev",
     [](int fd, void* bytes, std::size_t size) {
       const iovec parts[] = {{bytes, size / 2}, {bytes, size - size / 2}};
       return ::writev(fd, parts, 2);
     }},
    {"send", [](int fd, void* bytes, std::size_t size) { return ::send(fd, bytes, size, 0); }},
    {"sendfile",
     [](int fd, void* bytes, std::size_t size) {
       const int file = ::memfd_create("bytes", MFD_CLOEXEC);
       EXPECT_EQ(::write(file, bytes, size), static_cast<ssize_t>(size));
       off_t from = 0;
       const ssize_t sent = ::sendfile(fd, file, &from, size);
       const int error = errno;
       ::close(file);
       errno = error;
       return sent;
     }},
    {"sendmsg",
     [](int fd, void* bytes, std::size_t size) {
       iovec part{bytes, size};
       const msghdr message = message_of(part);
       return ::sendmsg(fd, &message, 0);
     }},
};
const Transfer kReads[] = {
    {"recv",
     [](int fd, void* bytes, std::size_t size) { return ::recv(fd, bytes, size, MSG_WAITALL); }},
    {"recvmsg",
     [](int fd, void* bytes, std::size_t size) {
       iovec part{bytes, size};
       msghdr message = message_of(part);
       return ::recvmsg(fd, &message, MSG_WAITALL);
     }},
};

std::string told(const Came& came) {
  return came.result < 0 ? ::strerrorname_np(came.error) : std::to_string(came.result);
}

// Three calls, the first of which is in the middle when the reset comes, and a read. How much went
// depends on the kernel's buffers.
std::string written(const Transfer& write, int family) {
  constexpr std::size_t kSize = 24 << 20;  // more than two buffers hold
  std::vector<char> bytes(kSize);
  Connection connection(family);
  const int fd = connection.ours;
  const std::jthread peer = connection.reset_once([=] { return !is(fd, POLLOUT); });
  g_signals = 0;
  const Came first = call([&] { return write.call(fd, bytes.data(), kSize); });
  std::string text = first.result > 0 && first.result < static_cast<long>(kSize) ? "some" : "wrong";
  for (int i = 0; i < 2; ++i)
    text += ' ' + told(call([&] { return write.call(fd, bytes.data(), 10); }));
  text += ' ' + told(call([&] { return ::read(fd, bytes.data(), 10); }));
  return text + ", signals " + std::to_string(g_signals);
}

// As far as the peer goes before it closes.
std::string read_after(const Transfer& read, int family, bool at_once) {
  char bytes[100];
  Connection connection(family);
  const int fd = connection.ours;
  EXPECT_EQ(::write(connection.theirs, "0123456789", 10), 10);
  std::jthread peer = connection.reset_once([=] { return at_once || !is(fd, POLLIN); });
  if (at_once) peer.join();
  std::string text;
  for (int i = 0; i < 3; ++i) {
    text += told(call([&] { return read.call(fd, bytes, sizeof(bytes)); })) + ' ';
  }
  return text;
}
std::string read(const Transfer& transfer, int family) {
  return read_after(transfer, family, false);
}
std::string read_late(const Transfer& transfer, int family) {
  return read_after(transfer, family, true);
}

// In a plain thread of its own: the one that has had a runtime on io_uring may be interrupted once
// more by the kernel, which is still taking the rings down, and a call that waits for all then
// ends.
template <class Outcome>
std::string in_thread(Outcome outcome) {
  std::string text;
  std::jthread([&] { text = outcome(); }).join();
  return text;
}

template <class Calls>
void expect_the_same(const Calls& calls, std::string (*outcome)(const Transfer&, int)) {
  for (const int family : {AF_INET, AF_UNIX}) {
    for (const Transfer& transfer : calls) {
      const std::string expected = in_thread([&] { return outcome(transfer, family); });
      weft::run(workers(1), [&] {
        EXPECT_EQ(outcome(transfer, family), expected) << transfer.name << ", family " << family;
      });
    }
  }
}

TEST_F(HookedResets, EndWritesAsWithLibc) { expect_the_same(kWrites, written); }

TEST_F(HookedResets, EndReadsAsWithLibc) {
  expect_the_same(kReads, read);
  expect_the_same(kReads, read_late);
}

TEST_F(HookedResets, LeaveTheErrorOfTcpToTheNextCall) {
  EXPECT_EQ(in_thread([] { return written(kWrites[0], AF_INET); }),
            "some ECONNRESET EPIPE 0, signals 1");
  EXPECT_EQ(in_thread([] { return read(kReads[0], AF_INET); }), "10 ECONNRESET 0 ");
}

TEST_F(HookedResets, UrgentDataEndWhatIsReadBeforeThem) {
  const auto outcome = [] {
    const Connection connection(AF_INET);
    EXPECT_EQ(::send(connection.theirs, "01234", 5, 0), 5);
    EXPECT_EQ(::send(connection.theirs, "U", 1, MSG_OOB), 1);
    EXPECT_EQ(::send(connection.theirs, "56789", 5, 0), 5);
    ::close(connection.theirs);
    std::string text;
    char bytes[10];
    for (int i = 0; i < 3; ++i) {
      text += told(call([&] { return ::recv(connection.ours, bytes, 10, MSG_WAITALL); })) + ' ';
    }
    return text;
  };
  EXPECT_EQ(in_thread(outcome), "5 5 0 ");
  weft::run(workers(1), [&] { EXPECT_EQ(outcome(), "5 5 0 "); });
}

}  // namespace
