// Goal: a plain thread that is cancelled while it blocks ends as it would without the hooks: its
// stack is unwound, through the frames of the hooks too. Method: one thread a call, none of which
// would end.

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <atomic>
#include <vector>

#include "hook/support.h"
#include "support/watchdog.h"

namespace {

using namespace hook_test;

struct Blocking {
  const char* name;
  void (*call)(int socket, int pipe);
};

char g_byte = 0;

const Blocking kCalls[] = {
    {"read", [](int fd, int) { ::read(fd, &g_byte, 1); }},
    {"read of a pipe", [](int, int pipe) { ::read(pipe, &g_byte, 1); }},
    {"readv",
     [](int fd, int) {
       const iovec part{&g_byte, 1};
       ::readv(fd, &part, 1);
     }},
    {"recv", [](int fd, int) { ::recv(fd, &g_byte, 1, 0); }},
    {"recvfrom", [](int fd, int) { ::recvfrom(fd, &g_byte, 1, MSG_WAITALL, nullptr, nullptr); }},
    {"recvmsg",
     [](int fd, int) {
       iovec part{&g_byte, 1};
       msghdr message{};
       message.msg_iov = &part;
       message.msg_iovlen = 1;
       ::recvmsg(fd, &message, 0);
     }},
    {"write",
     [](int fd, int) {
       const std::vector<char> bytes(16 << 20);
       ::write(fd, bytes.data(), bytes.size());
     }},
    {"send",
     [](int fd, int) {
       const std::vector<char> bytes(16 << 20);
       ::send(fd, bytes.data(), bytes.size(), 0);
     }},
    {"poll",
     [](int fd, int) {
       pollfd item{fd, POLLIN, 0};
       ::poll(&item, 1, -1);
     }},
    {"select",
     [](int fd, int) {
       fd_set set;
       FD_ZERO(&set);
       FD_SET(fd, &set);
       ::select(fd + 1, &set, nullptr, nullptr, nullptr);
     }},
    {"epoll_wait",
     [](int, int) {
       epoll_event event;
       ::epoll_wait(::epoll_create1(EPOLL_CLOEXEC), &event, 1, -1);
     }},
    {"accept",
     [](int, int) {
       const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
       const sockaddr name{.sa_family = AF_UNIX, .sa_data = {}};
       ::bind(listener, &name, sizeof(name.sa_family));  // to a name of the kernel's choice
       ::listen(listener, 1);
       ::accept(listener, nullptr, nullptr);
     }},
    {"nanosleep",
     [](int, int) {
       const timespec span{100, 0};
       ::nanosleep(&span, nullptr);
     }},
    {"usleep", [](int, int) { ::usleep(100'000'000); }},
    {"fclose",
     [](int fd, int) {
       FILE* const stream = ::fdopen(::dup(fd), "w");
       const std::vector<char> bytes(16 << 20);
       ::setvbuf(stream, nullptr, _IOFBF, 32 << 20);
       ::fwrite(bytes.data(), 1, bytes.size(), stream);
       ::fclose(stream);
     }},
};

struct Thread {
  const Blocking& blocking;
  const Pair pair;
  std::array<int, 2> pipe{-1, -1};
  std::atomic<bool> begun = false, unwound = false, ended = false;

  explicit Thread(const Blocking& which) : blocking(which) {
    EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
  }
  ~Thread() {
    for (const int fd : pipe) ::close(fd);
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  static void* run(void* argument) {
    Thread& self = *static_cast<Thread*>(argument);
    struct Unwinding {
      ~Unwinding() { self.unwound = true; }
      Thread& self;
    } unwinding{self};
    self.begun = true;
    self.blocking.call(self.pair[0], self.pipe[0]);
    self.ended = true;
    return nullptr;
  }
};

TEST(HookedThreads, AreCancelledWhereverTheyBlock) {
  if (support::kSanitized) GTEST_SKIP() << "its own wrappers of these calls are not unwound";
  const support::Watchdog watchdog("a cancelled thread", std::chrono::seconds(20));
  for (const Blocking& blocking : kCalls) {
    Thread thread(blocking);
    pthread_t id{};
    ASSERT_EQ(::pthread_create(&id, nullptr, &Thread::run, &thread), 0);
    while (!thread.begun) ::usleep(1000);
    ::usleep(20'000);
    EXPECT_EQ(::pthread_cancel(id), 0);
    void* result = nullptr;
    EXPECT_EQ(::pthread_join(id, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED) << blocking.name;
    EXPECT_TRUE(thread.unwound) << blocking.name;
    EXPECT_FALSE(thread.ended) << blocking.name;
  }
}

}  // namespace
