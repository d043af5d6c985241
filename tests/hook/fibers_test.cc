// Goal: what a hooked call promises the fiber that makes it: cancellation without exceptions
// through C, its thread and errno, and a child that is forked from it. Method: one fiber sleeps in
// a call, others cancel it, connect to it or fork.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "hook/support.h"
#include "support/cpu_time.h"

namespace {

using namespace hook_test;
using weft::Task;

class HookedFibers : public OnWorkers {
 protected:
  HookedFibers() : OnWorkers(30s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedFibers, testing::Values(1U, 2U, 4U));

Came read_one(int fd) {
  char byte = 0;
  return call([&] { return ::read(fd, &byte, 1); });
}

TEST_P(HookedFibers, CancellationFailsEveryCallUntilItIsThrown) {
  run([] {
    const Pair pair;
    bool thrown = false;
    Task<void> reader = weft::spawn([&] {
      for (int i = 0; i < 3; ++i) {
        const Came came = read_one(pair[0]);
        EXPECT_EQ(came.result, -1);
        EXPECT_EQ(came.error, ECANCELED);
      }
      EXPECT_EQ(call([] { return ::usleep(1000); }).error, ECANCELED);
      pollfd item{pair[0], POLLIN, 0};
      EXPECT_EQ(call([&] { return ::poll(&item, 1, 1000); }).error, ECANCELED);
      try {
        weft::sleep_for(1s);
      } catch (const weft::Cancelled&) {
        thrown = true;
        throw;
      }
    });
    let_them_sleep();
    reader.cancel();
    reader.join();
    EXPECT_TRUE(thrown);
    EXPECT_TRUE(reader.cancelled());
  });
}

// Of this thread, which a hooked call does not leave.
std::chrono::nanoseconds spent() { return support::cpu_time(CLOCK_THREAD_CPUTIME_ID); }

// What the kernel tells of a datagram that nobody took stays queued, and is an error to poll(2).
TEST_P(HookedFibers, AnErrorThatIsQueuedKeepsNoWorker) {
  run([] {
    sockaddr_in nobody{};
    nobody.sin_family = AF_INET;
    nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(nobody);
    auto* const address = reinterpret_cast<sockaddr*>(&nobody);
    const int gone = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::bind(gone, address, size), 0);
    ASSERT_EQ(::getsockname(gone, address, &size), 0);
    ASSERT_EQ(::close(gone), 0);

    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    const timeval limit{.tv_sec = 0, .tv_usec = 300'000};
    ASSERT_EQ(::setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)), 0);
    ASSERT_EQ(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    ASSERT_EQ(::connect(fd, address, size), 0);
    ASSERT_EQ(::send(fd, "x", 1, 0), 1);
    EXPECT_EQ(read_one(fd).error, ECONNREFUSED);
    const auto before = spent();
    EXPECT_EQ(read_one(fd).error, EAGAIN);
    EXPECT_LT(spent() - before, 150ms);
    ::close(fd);
  });
}

// The byte comes 1 ms after the time was up, and the reader, once woken, stands behind 40 others
// for longer than that. In some of the rounds it is woken in between. (The kernel counts the limit
// in ticks of up to 10 ms.)
TEST(HookedFibers, WhatComesBeforeTheyRunCountsAlthoughTheTimeIsUp) {
  weft::run(workers(1), [] {
    for (std::chrono::microseconds work = 30us; work < 40us; work += 2us) {
      const Pair pair;
      const timeval limit{.tv_sec = 0, .tv_usec = 20'000};
      ASSERT_EQ(::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
      const auto begin = std::chrono::steady_clock::now();  // no later than the reader's
      const auto passed = [&] { return std::chrono::steady_clock::now() - begin; };
      Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 1); });
      let_others_wait();
      const auto turn = [&] {
        for (const auto end = passed() + work; passed() < end;) {
        }
        weft::yield();
      };
      bool is_written = false;
      std::vector<Task<void>> others;
      for (int i = 0; i < 40; ++i) {
        others.push_back(weft::spawn([&] {
          while (passed() < 21ms) turn();
          if (!std::exchange(is_written, true)) {
            EXPECT_EQ(::write(pair[1], "x", 1), 1);
          }
          for (int last = 0; last < 4; ++last) turn();
        }));
      }
      reader.get();
      for (Task<void>& other : others) other.get();
    }
  });
}

// And the call takes what is there then, but does not wait for more.
TEST(HookedFibers, ALimitEndsACallThatGetsALittleAtEachTurn) {
  weft::run(workers(1), [] {
    const Pair pair;
    const timeval limit{.tv_sec = 0, .tv_usec = 20'000};
    ASSERT_EQ(::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    bool is_over = false;
    Task<void> writer = weft::spawn([&] {
      const auto begin = std::chrono::steady_clock::now();
      while (!is_over && std::chrono::steady_clock::now() - begin < 500ms) {
        EXPECT_EQ(::write(pair[1], "x", 1), 1);
        weft::yield();
      }
      EXPECT_TRUE(is_over);
    });
    std::vector<char> room(1'000'000);
    const Came came = call([&] { return ::recv(pair[0], room.data(), room.size(), MSG_WAITALL); });
    EXPECT_GT(came.result, 0);
    is_over = true;
    writer.get();
  });
}

// It is nothing exceptional.
TEST_P(HookedFibers, SelectDoesNotSpinForAHangUpThatNobodyAskedFor) {
  run([] {
    Pair pair;
    pair.close(1);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    timeval limit{.tv_sec = 0, .tv_usec = 300'000};
    const auto before = spent();
    EXPECT_EQ(::select(pair[0] + 1, nullptr, nullptr, &set, &limit), 0);
    EXPECT_LT(spent() - before, 150ms);
  });
}

TEST_P(HookedFibers, WhatSucceedsLeavesErrnoAlone) {
  run([] {
    const auto succeeds = [](const auto& make) {
      errno = EDOM;
      EXPECT_GE(make(), 0);
      EXPECT_EQ(errno, EDOM);
    };
    const int file = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    succeeds([&] { return ::flock(file, LOCK_EX); });
    succeeds([&] { return ::flock(file, LOCK_UN); });
    ::close(file);
    const int notices = ::inotify_init1(IN_CLOEXEC);  // takes no flag for one call
    ASSERT_GE(::inotify_add_watch(notices, "/tmp", IN_OPEN), 0);
    ::close(::open("/tmp", O_RDONLY | O_CLOEXEC));
    std::array<char, 4096> buffer;
    succeeds([&] { return ::read(notices, buffer.data(), buffer.size()); });
    ::close(notices);
  });
}

TEST_P(HookedFibers, ACallThatIsAlwaysReadyIsCancelledInTheEnd) {
  run([] {
    Task<void> writer = weft::spawn([] {
      const Pair pair;
      for (;;) {
        if (call([&] { return ::write(pair[0], "x", 1); }).error == ECANCELED) break;
        if (read_one(pair[1]).error == ECANCELED) break;
      }
    });
    let_them_sleep();
    writer.cancel();
    writer.join();
  });
}

TEST_P(HookedFibers, ATimeoutEndsTheCallAndIsThrown) {
  run([] {
    const Pair pair;
    EXPECT_THROW(weft::timeout(5ms,
                               [&] {
                                 EXPECT_EQ(read_one(pair[0]).error, ECANCELED);
                                 weft::sleep_for(1s);
                               }),
                 weft::TimeoutError);
    // It is over with the scope.
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    EXPECT_EQ(read_one(pair[0]).result, 1);
  });
}

TEST_P(HookedFibers, ACancelledWriteSaysHowMuchItWrote) {
  run([] {
    const Pair pair;
    constexpr std::size_t kSize = 4'000'000;
    long written = 0;
    Task<void> writer = weft::spawn([&] {
      const std::vector<char> bytes(kSize);
      written = ::write(pair[0], bytes.data(), kSize);
    });
    let_them_sleep();
    writer.cancel();
    writer.join();
    EXPECT_GT(written, 0);
    EXPECT_LT(written, static_cast<long>(kSize));
    ::shutdown(pair[0], SHUT_WR);
    std::vector<char> bytes(kSize);
    EXPECT_EQ(::recv(pair[1], bytes.data(), kSize, MSG_WAITALL), written);
  });
}

TEST_P(HookedFibers, TheThreadAndItsErrnoStayTheSame) {
  run([] {
    std::vector<Task<void>> fibers;
    for (int i = 0; i < 40; ++i) {
      fibers.push_back(weft::spawn([i] {
        const Pair pair;
        for (int round = 0; round < 20; ++round) {
          const pthread_t self = ::pthread_self();
          errno = 1000 + i;
          ::usleep(200);
          EXPECT_EQ(errno, 1000 + i);
          EXPECT_EQ(::pthread_equal(self, ::pthread_self()), 1);
          pollfd item{pair[0], POLLIN, 0};
          EXPECT_EQ(::poll(&item, 1, 1), 0);
          EXPECT_EQ(errno, 1000 + i);
          EXPECT_EQ(::pthread_equal(self, ::pthread_self()), 1);
        }
      }));
    }
    for (Task<void>& fiber : fibers) fiber.get();
  });
}

// -- One listener for all.

int listening(sockaddr_in& address) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(::listen(fd, 128), 0);
  return fd;
}

// Until it is told by a byte that there are no more.
int accept_all(int listener) {
  for (int count = 0;; ++count) {
    const int fd = ::accept(listener, nullptr, nullptr);
    EXPECT_GE(fd, 0) << std::strerror(errno);
    if (fd < 0) return count;
    char byte = 0;
    EXPECT_EQ(::read(fd, &byte, 1), 1);
    ::close(fd);
    if (byte == 'q') return count;
  }
}

void connect_and_say(const sockaddr_in& address, char byte) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(::write(fd, &byte, 1), 1);
  ::close(fd);
}

TEST_P(HookedFibers, FibersAndThreadsAcceptFromOneListener) {
  constexpr int kConnections = 200;
  constexpr int kOfEach = 3;
  sockaddr_in address;
  const int listener = listening(address);
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kOfEach; ++i) {
    threads.emplace_back([&] { accepted += accept_all(listener); });
  }
  run([&] {
    std::vector<Task<void>> fibers;
    for (int i = 0; i < kOfEach; ++i) {
      fibers.push_back(weft::spawn([&] { accepted += accept_all(listener); }));
    }
    for (int i = 0; i < kConnections; ++i) {
      connect_and_say(address, 'x');
      if (i % 20 == 0) weft::sleep_for(1ms);
    }
    for (int i = 0; i < 2 * kOfEach; ++i) connect_and_say(address, 'q');
    for (Task<void>& fiber : fibers) fiber.get();
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, kConnections);
  EXPECT_EQ(::fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
  ::close(listener);
}

// The last listener waits for a thread to end, with a lock that the next one takes.
TEST_P(HookedFibers, TheRuntimesOwnLocksAreNotKeptByWhoSuspends) {
  run([] {
    const auto come_and_go = [] {
      for (int i = 0; i < 50; ++i) const weft::Signals signals{SIGUSR1};
    };
    weft::gather(come_and_go, come_and_go, come_and_go);
  });
}

// In the child there are no other fibers, and nobody to wake this one.
int in_child() {
  std::array<int, 2> ends{};
  char byte = 0;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return 1;
  if (::usleep(1000) != 0) return 2;
  if (::write(ends[1], "x", 1) != 1 || ::read(ends[0], &byte, 1) != 1) return 3;
  pollfd item{ends[0], POLLIN, 0};
  if (::poll(&item, 1, 2) != 0) return 4;
  const pid_t grandchild = ::fork();
  if (grandchild == 0) {
    ::usleep(2000);
    ::_exit(::write(ends[1], "y", 1) == 1 ? 0 : 1);
  }
  return ::read(ends[0], &byte, 1) == 1 && byte == 'y' ? 0 : 5;
}

TEST_P(HookedFibers, AChildForkedInAFiberMakesPlainCalls) {
  run([] {
    const Pair pair;
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 1); });
    let_them_sleep();
    const pid_t child = ::fork();
    if (child == 0) ::_exit(in_child());
    ASSERT_GT(child, 0);
    int status = -1;
    while (::waitpid(child, &status, WNOHANG) == 0) ::usleep(1000);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
  });
}

}  // namespace
