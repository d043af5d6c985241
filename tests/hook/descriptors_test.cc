// Goal: hooked calls know a descriptor as the kernel does, whoever opened, duplicated, closed or
// reused it, and however many wait for it. Method: one fiber is put to sleep in a call, another
// changes something, on one worker as on several.

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "hook/support.h"
#include "support/temporary_folder.h"

namespace {

using namespace hook_test;
using weft::Task;

class HookedDescriptors : public OnWorkers {
 protected:
  HookedDescriptors() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedDescriptors, testing::Values(1U, 2U, 4U));

Came read_one(int fd) {
  char byte = 0;
  return call([&] { return ::read(fd, &byte, 1); });
}

TEST_P(HookedDescriptors, OpenedBeforeTheRuntimeAreWaitedFor) {
  const Pair pair;
  run([&] {
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 1); });
    let_them_sleep();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
  });
}

TEST_P(HookedDescriptors, DuplicatesShareTheFlagThatWasSetThroughTheOther) {
  run([&] {
    const Pair pair;
    const int other = ::dup(pair[0]);
    EXPECT_EQ(::fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    const Came came = read_one(other);
    EXPECT_EQ(came.result, -1);
    EXPECT_EQ(came.error, EAGAIN);
    int off = 0;
    EXPECT_EQ(::syscall(SYS_ioctl, other, 0x5421 /* FIONBIO */, &off), 0);  // past the hooks
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 1); });
    let_them_sleep();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
    ::close(other);
  });
}

TEST_P(HookedDescriptors, ClosedWhileWaitedForEndTheWait) {
  run([&] {
    Pair pair;
    Task<void> reader = weft::spawn([fd = pair[0]] {
      const Came came = read_one(fd);
      EXPECT_EQ(came.result, -1);
      EXPECT_EQ(came.error, EBADF);
    });
    Task<void> poller = weft::spawn([fd = pair[0]] {
      pollfd item{fd, POLLIN, 0};
      EXPECT_EQ(::poll(&item, 1, 10'000), 1);
      EXPECT_EQ(item.revents, POLLNVAL);
    });
    let_them_sleep();
    pair.close(0);
    reader.get();
    poller.get();
  });
}

// Of the first of them there is never anything to tell, and it cannot be watched.
TEST_P(HookedDescriptors, PollKeepsNobodyFromRunning) {
  run([&] {
    const Pair pair;
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    Task<void> writer = weft::spawn([&] { EXPECT_EQ(::write(pair[1], "x", 1), 1); });
    std::array<pollfd, 2> items{{{null, POLLPRI, 0}, {pair[0], POLLIN, 0}}};
    EXPECT_EQ(::poll(items.data(), items.size(), 2'000), 1);
    EXPECT_EQ(items[1].revents, POLLIN);
    writer.get();
    ::close(null);
  });
}

// A driver may need one of its own first.
TEST_P(HookedDescriptors, AreWaitedForWhenNoneIsFree) {
  if (support::kAddressSanitizer) GTEST_SKIP() << "its checks need descriptors";
  run([&] {
    const Pair pair;
    const timeval limit{.tv_sec = 0, .tv_usec = 20'000};
    EXPECT_EQ(::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    rlimit before{};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const Came in_vain = read_one(pair[0]);
    const timeval for_ever{};
    EXPECT_EQ(::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever)), 0);
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 1); });
    let_others_wait();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(in_vain.result, -1);
    EXPECT_EQ(in_vain.error, EAGAIN);
  });
}

// Wherever the reader is: before its first try, behind it, asleep. The number is none that anybody
// else would be given.
TEST_P(HookedDescriptors, ClosedAtAnyMomentEndTheRead) {
  if (support::kThreadSanitizer) GTEST_SKIP() << "to it such a close is a race in itself";
  run([&] {
    for (int i = 0; i < 3000; ++i) {
      const Pair pair;
      constexpr int kNumber = 500;
      EXPECT_EQ(::dup2(pair[0], kNumber), kNumber);
      Task<void> reader = weft::spawn([] { EXPECT_EQ(read_one(kNumber).error, EBADF); });
      for (int turns = i % 3; turns > 0; --turns) weft::yield();
      const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(i * 7 % 5000);
      while (std::chrono::steady_clock::now() < until) continue;
      EXPECT_EQ(::close(kNumber), 0);
      reader.get();
    }
  });
}

TEST_P(HookedDescriptors, ReplacedByDup2EndTheWait) {
  run([&] {
    const Pair pair;
    const Pair other;
    Task<void> reader = weft::spawn([fd = pair[0]] { EXPECT_EQ(read_one(fd).error, EBADF); });
    let_them_sleep();
    EXPECT_EQ(::dup2(other[0], pair[0]), pair[0]);
    reader.get();
    EXPECT_EQ(::write(other[1], "x", 1), 1);
    EXPECT_EQ(read_one(pair[0]).result, 1);
  });
}

TEST_P(HookedDescriptors, CallsThatAreRefusedEndNoWait) {
  run([&] {
    constexpr int kNoFlag = 1 << 12;
    const Pair pair;
    const Pair other;
    Task<void> reader = weft::spawn([fd = pair[0]] { EXPECT_EQ(read_one(fd).result, 1); });
    let_them_sleep();
    EXPECT_EQ(call([&] { return ::dup3(other[0], pair[0], kNoFlag); }).error, EINVAL);
    const auto first = static_cast<unsigned>(pair[0]);
    EXPECT_EQ(call([&] { return ::close_range(first, first, kNoFlag); }).error, EINVAL);
    EXPECT_EQ(call([&] { return ::close_range(first, first - 1, 0); }).error, EINVAL);
    let_them_sleep();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
  });
}

// Nothing has told of the end, and the new file is of another kind as well.
TEST_P(HookedDescriptors, ReusedBehindTheHooksAreTheNewFile) {
  run([&] {
    std::array<int, 2> pipe{};
    Pair pair;
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    EXPECT_EQ(read_one(pair[0]).result, 1);  // so that the number is known
    const int number = pair[0];
    ::syscall(SYS_close, number);
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    if (pipe[0] != number) {
      ASSERT_EQ(::syscall(SYS_dup3, pipe[0], number, O_CLOEXEC), number);
    }
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(number).result, 1); });
    let_them_sleep();
    EXPECT_EQ(::write(pipe[1], "x", 1), 1);
    reader.get();
    if (pipe[0] != number) ::close(pipe[0]);
    ::close(pipe[1]);
  });
}

// Nobody can wait for a file, and it is no pipe that has been read for now.
TEST_P(HookedDescriptors, APipeReusedBehindTheHooksIsAFile) {
  run([&] {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    EXPECT_EQ(::write(pipe[1], "x", 1), 1);
    EXPECT_EQ(read_one(pipe[0]).result, 1);
    const support::TemporaryFolder folder;
    const int file = ::open((folder / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::write(file, "y", 1), 1);
    EXPECT_EQ(::fsync(file), 0);
    EXPECT_EQ(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    EXPECT_EQ(::lseek(file, 0, SEEK_SET), 0);
    ASSERT_EQ(::syscall(SYS_dup3, file, pipe[0], O_CLOEXEC), pipe[0]);
    EXPECT_EQ(read_one(pipe[0]).result, 1);
    for (const int fd : {file, pipe[0], pipe[1]}) ::close(fd);
  });
}

TEST_P(HookedDescriptors, ClosedWithTheirStreamEndTheWait) {
  run([&] {
    for (const bool reopens : {false, true}) {
      Pair pair;
      FILE* const stream = ::fdopen(std::exchange(pair.fds[0], -1), "r");
      Task<void> reader =
          weft::spawn([fd = ::fileno(stream)] { EXPECT_EQ(read_one(fd).error, EBADF); });
      let_them_sleep();
      FILE* const again = reopens ? ::freopen("/dev/null", "r", stream) : stream;
      EXPECT_NE(again, nullptr);
      EXPECT_EQ(::fclose(again), 0);
      reader.get();
    }
  });
}

TEST_P(HookedDescriptors, BothDirectionsOfOneAreWaitedForAtOnce) {
  run([&] {
    const Pair pair;
    constexpr std::size_t kSize = 1'000'000;
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 1); });
    Task<void> writer = weft::spawn([&] {
      const std::vector<char> bytes(kSize);
      EXPECT_EQ(::write(pair[0], bytes.data(), kSize), static_cast<ssize_t>(kSize));
    });
    let_them_sleep();
    std::vector<char> bytes(kSize);
    EXPECT_EQ(::recv(pair[1], bytes.data(), kSize, MSG_WAITALL), static_cast<ssize_t>(kSize));
    writer.get();
    EXPECT_FALSE(reader.done());
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
  });
}

TEST_P(HookedDescriptors, TwoReadersOfOneEachGetTheirs) {
  run([&] {
    const Pair pair;
    std::array<Task<void>, 2> readers;
    for (Task<void>& reader : readers) {
      reader = weft::spawn([&] {
        for (int i = 0; i < 50; ++i) EXPECT_EQ(read_one(pair[0]).result, 1);
      });
    }
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(::write(pair[1], "x", 1), 1);
      if (i % 10 == 0) weft::sleep_for(100us);
    }
    for (Task<void>& reader : readers) reader.get();
  });
}

TEST_P(HookedDescriptors, PollWaitsForAnyOfAHundred) {
  run([&] {
    std::vector<Pair> pairs(100);
    std::vector<pollfd> items;
    for (const Pair& pair : pairs) items.push_back({pair[0], POLLIN, 0});
    Task<void> poller =
        weft::spawn([&] { EXPECT_EQ(::poll(items.data(), items.size(), 10'000), 1); });
    let_them_sleep();
    EXPECT_EQ(::write(pairs[77][1], "x", 1), 1);
    poller.get();
    for (std::size_t i = 0; i < items.size(); ++i)
      EXPECT_EQ(items[i].revents, i == 77 ? POLLIN : 0);
  });
}

TEST_P(HookedDescriptors, SelectTakesTheHighestNumber) {
  run([&] {
    const Pair pair;
    const int high = FD_SETSIZE - 1;
    if (::dup2(pair[0], high) != high) GTEST_SKIP() << "fewer descriptors are allowed";
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(high, &readable);
    Task<void> waiter = weft::spawn([&] {
      timeval limit{10, 0};
      EXPECT_EQ(::select(FD_SETSIZE, &readable, nullptr, nullptr, &limit), 1);
      EXPECT_GT(limit.tv_sec, 5);
    });
    let_them_sleep();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    waiter.get();
    EXPECT_TRUE(FD_ISSET(high, &readable));
    ::close(high);
  });
}

// libc takes more than a second of them.
TEST_P(HookedDescriptors, SelectWithManyMicrosecondsSuspends) {
  run([&] {
    bool others_ran = false;
    Task<void> other = weft::spawn([&] { others_ran = true; });
    timeval limit{0, 1'000'001};
    EXPECT_EQ(::select(0, nullptr, nullptr, nullptr, &limit), 0);
    EXPECT_TRUE(others_ran);
    other.get();
  });
}

TEST_P(HookedDescriptors, EpollInstancesAreWaitedForEvenNested) {
  run([&] {
    const Pair pair;
    const int inner = ::epoll_create1(EPOLL_CLOEXEC);
    const int outer = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = 7;
    EXPECT_EQ(::epoll_ctl(inner, EPOLL_CTL_ADD, pair[0], &event), 0);
    event.data.u64 = 8;
    EXPECT_EQ(::epoll_ctl(outer, EPOLL_CTL_ADD, inner, &event), 0);
    Task<void> waiter = weft::spawn([&] {
      epoll_event found{};
      EXPECT_EQ(::epoll_wait(outer, &found, 1, 10'000), 1);
      EXPECT_EQ(found.data.u64, 8U);
      EXPECT_EQ(::epoll_wait(inner, &found, 1, -1), 1);
      EXPECT_EQ(found.data.u64, 7U);
    });
    let_them_sleep();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    waiter.get();
    ::close(inner);
    ::close(outer);
  });
}

TEST_P(HookedDescriptors, TimeLimitsOfTheSocketHold) {
  run([&] {
    const Pair pair;
    const timeval limit{0, 20'000};
    EXPECT_EQ(::setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(read_one(pair[0]).error, EAGAIN);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  });
}

// It seems to have room, but not for that much.
TEST_P(HookedDescriptors, AnEventfdThatIsNearlyFullIsWaitedFor) {
  run([&] {
    const int fd = ::eventfd(0, EFD_CLOEXEC);
    std::uint64_t value = 0xffff'ffff'ffff'fff0;
    EXPECT_EQ(::write(fd, &value, sizeof(value)), 8);
    Task<void> writer = weft::spawn([fd] {
      std::uint64_t more = 100;
      EXPECT_EQ(::write(fd, &more, sizeof(more)), 8);
    });
    let_them_sleep();
    EXPECT_EQ(::read(fd, &value, sizeof(value)), 8);
    writer.get();
    EXPECT_EQ(::read(fd, &value, sizeof(value)), 8);
    EXPECT_EQ(value, 100U);
    ::close(fd);
  });
}

// Whoever waits in the kernel is told of the end; whoever does not is told to try again, for ever.
TEST_P(HookedDescriptors, ShutDownSocketsOfDatagramsEnd) {
  run([&] {
    const Pair pair(SOCK_DGRAM);
    Task<void> reader = weft::spawn([&] { EXPECT_EQ(read_one(pair[0]).result, 0); });
    let_them_sleep();
    EXPECT_EQ(::shutdown(pair[0], SHUT_RD), 0);
    reader.get();
  });
}

// Of these flags some sockets take no notice.
TEST_P(HookedDescriptors, FlagsWithoutAMeaningDoNotBlockTheWorker) {
  run([&] {
    const Pair pair;
    Task<void> reader = weft::spawn([&] {
      char byte = 0;
      EXPECT_EQ(::recv(pair[0], &byte, 1, MSG_ERRQUEUE), 1);
    });
    let_them_sleep();
    EXPECT_EQ(::write(pair[1], "x", 1), 1);
    reader.get();
  });
}

}  // namespace
