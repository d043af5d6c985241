// Goal: a fiber waits for descriptors that others own and use, whatever they are and whoever reads
// meanwhile. Method: eventfds, timers, directories that are watched and sockets, read by plain
// system calls.

#include <weft/async_fd.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/process_state.h"
#include "support/task_steps.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::HasSubstr;

// A descriptor that belongs to the test, as to a library.
class Owned {
 public:
  explicit Owned(int fd) : fd_(fd) { EXPECT_GE(fd, 0); }
  ~Owned() { close(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  int get() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::array<int, 2> socket_pair() {
  std::array<int, 2> ends{-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  return ends;
}

// Not inlined, for the sake of errno.
[[gnu::noinline]] bool is_empty(int event) {
  std::uint64_t count = 0;
  return ::read(event, &count, sizeof(count)) < 0 && errno == EAGAIN;
}

TEST(AsyncFd, WaitsForAnEventEachTime) {
  run([] {
    const Owned event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get());
    for (std::uint64_t round = 1; round <= 50; ++round) {
      Task<void> setter = spawn([&] { EXPECT_EQ(::eventfd_write(event.get(), round), 0); });
      async.wait_readable();
      std::uint64_t count = 0;
      ASSERT_EQ(::eventfd_read(event.get(), &count), 0);
      EXPECT_EQ(count, round);
      setter.get();
    }
  });
}

TEST(AsyncFd, StaysReadyUntilSomebodyReads) {
  run([] {
    const Owned event(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get());
    for (int i = 0; i < 3; ++i) async.wait_readable();
    EXPECT_FALSE(is_empty(event.get()));
    EXPECT_THROW(timeout(milliseconds(5), [&] { async.wait_readable(); }), TimeoutError);
  });
}

// The edge has been seen, and what it told of has been taken by somebody else.
TEST(AsyncFd, WaitsAnewWhenAnotherHasRead) {
  run([] {
    const Owned event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get());
    for (int round = 0; round < 20; ++round) {
      EXPECT_EQ(::eventfd_write(event.get(), 1), 0);
      async.wait_readable();
      std::thread([&] { EXPECT_FALSE(is_empty(event.get())); }).join();
      Task<void> waiter = spawn([&] { async.wait_readable(); });
      sleep_for(milliseconds(1));
      EXPECT_FALSE(waiter.done()) << "there is nothing to be read";
      EXPECT_EQ(::eventfd_write(event.get(), 1), 0);
      waiter.get();
      EXPECT_FALSE(is_empty(event.get()));
    }
  });
}

TEST(AsyncFd, WaitsForATimerAndForAWatchedDirectory) {
  run([] {
    const Owned timer(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    AsyncFd ticks(timer.get(), "timer");
    const itimerspec every_2_ms{{0, 2'000'000}, {0, 2'000'000}};
    ASSERT_EQ(::timerfd_settime(timer.get(), 0, &every_2_ms, nullptr), 0);
    std::uint64_t expired = 0;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(ticks.when_readable([&] { return ::read(timer.get(), &expired, sizeof(expired)); }),
                ssize_t{sizeof(expired)});
      EXPECT_GE(expired, 1U);
    }

    const TemporaryFolder folder;
    const Owned watch(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    ASSERT_GE(::inotify_add_watch(watch.get(), folder.path().c_str(), IN_CREATE), 0);
    AsyncFd changes(watch.get(), "the folder");
    Task<void> maker = spawn([&] { folder.write("new_file", "x"); });
    std::array<char, 1024> events{};
    EXPECT_GT(changes.when_readable([&] { return ::read(watch.get(), events.data(), 1024); }), 0);
    maker.get();
  });
}

TEST(AsyncFd, WritesWhenThereIsRoomAgain) {
  run([] {
    const auto [one, other] = socket_pair();
    const Owned writer(one), reader(other);
    AsyncFd async(writer.get());
    async.wait_writable();
    constexpr std::size_t kTotal = std::size_t{4} << 20;
    Task<std::size_t> drained = spawn([fd = reader.get()] {
      AsyncFd input(fd);
      std::vector<char> buffer(std::size_t{64} * 1024);
      std::size_t total = 0;
      while (total < kTotal) {
        const ssize_t count =
            input.when_readable([&] { return ::read(fd, buffer.data(), buffer.size()); });
        total += static_cast<std::size_t>(count);
      }
      return total;
    });
    const std::vector<char> data(kTotal, 'd');
    for (std::size_t sent = 0; sent < kTotal;) {
      const ssize_t count = async.when_writable(
          [&] { return ::write(writer.get(), data.data() + sent, kTotal - sent); });
      sent += static_cast<std::size_t>(count);
    }
    EXPECT_EQ(drained.get(), kTotal);
  });
}

TEST(AsyncFd, ReadersAndWritersWaitSideBySide) {
  run([] {
    const auto [one, other] = socket_pair();
    const Owned mine(one), theirs(other);
    AsyncFd async(mine.get());
    Task<void> first = spawn([&] { async.wait_readable(); });
    Task<void> second = spawn([&] { async.wait_readable(); });
    async.wait_writable();
    EXPECT_FALSE(first.done());
    EXPECT_EQ(::write(theirs.get(), "x", 1), 1);
    first.get();
    second.get();
  });
}

TEST(AsyncFd, PeersEndAndErrorsCountAsReady) {
  run([] {
    const auto [one, other] = socket_pair();
    const Owned mine(one);
    Owned theirs(other);
    AsyncFd async(mine.get());
    Task<void> waiter = spawn([&] { async.wait_readable(); });
    sleep_for(milliseconds(1));
    theirs.close();
    waiter.get();
    char byte = 0;
    EXPECT_EQ(::read(mine.get(), &byte, 1), 0);
    async.wait_writable();
    EXPECT_EQ(error_of([&] {
                async.when_writable([&] { return ::send(mine.get(), "x", 1, MSG_NOSIGNAL); });
              }),
              std::errc::broken_pipe);
  });
}

TEST(AsyncFd, FileOnDiskIsAlwaysReady) {
  run([] {
    const Owned file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    AsyncFd async(file.get());
    async.wait_readable();
    async.wait_writable();
    async.wait_readable();
  });
}

TEST(AsyncFd, CallsUntilAnOptionalHasAValue) {
  run([] {
    const Owned event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get());
    int calls = 0;
    Task<std::string> task = spawn([&] {
      return *async.when_readable([&]() -> std::optional<std::string> {
        ++calls;
        if (is_empty(event.get())) return std::nullopt;
        return "there";
      });
    });
    sleep_for(milliseconds(2));
    EXPECT_EQ(::eventfd_write(event.get(), 1), 0);
    EXPECT_EQ(task.get(), "there");
    EXPECT_EQ(calls, 2);
    int tries = 0;
    EXPECT_TRUE(async.when_writable([&] { return ++tries == 3; }));
  });
}

TEST(AsyncFd, ErrorsOfTheCallNameTheDescriptor) {
  run([] {
    const Owned event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get(), "the counter");
    char too_small = 0;
    const auto bad_read = [&] {
      async.when_readable([&] { return ::read(event.get(), &too_small, 1); });
    };
    EXPECT_EQ(error_of(bad_read), std::errc::invalid_argument);
    EXPECT_THAT(message_of(bad_read), HasSubstr("the counter"));
    int interrupted = 0;
    EXPECT_EQ(async.when_readable([&] {
      if (++interrupted == 3) return 7;
      errno = EINTR;
      return -1;
    }),
              7);
  });
}

TEST(AsyncFd, OwnersCloseMisleadsNobody) {
  run([] {
    const auto [one, other] = socket_pair();
    Owned mine(one);
    const Owned theirs(other);
    AsyncFd async(mine.get());
    Task<void> waiter = spawn([&] { async.wait_readable(); });
    sleep_for(milliseconds(1));
    const int number = mine.get();
    mine.close();
    // The number is another file's now, and that is ready.
    const Owned event(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
    EXPECT_EQ(event.get(), number);
    sleep_for(milliseconds(2));
    EXPECT_FALSE(waiter.done());
    EXPECT_EQ(::write(theirs.get(), "x", 1), 1) << "it is still open";
    waiter.get();
    async.close();
    char byte = 0;
    EXPECT_EQ(::read(theirs.get(), &byte, 1), -1) << "reset, as data was lost";
  });
}

TEST(AsyncFd, LeavesTheDescriptorAsItWas) {
  run([] {
    const std::size_t open = process_counts().descriptors;
    {
      const Owned blocking(::eventfd(0, 0));
      const int flags = ::fcntl(blocking.get(), F_GETFL);
      AsyncFd async(blocking.get());
      EXPECT_THROW(timeout(milliseconds(2), [&] { async.wait_readable(); }), TimeoutError);
      EXPECT_EQ(::fcntl(blocking.get(), F_GETFL), flags);
      EXPECT_EQ(::fcntl(blocking.get(), F_GETFD), 0);
      async.close();
      EXPECT_EQ(::eventfd_write(blocking.get(), 1), 0) << "still the owner's";
    }
    EXPECT_EQ(process_counts().descriptors, open);
  });
}

TEST(AsyncFd, CancelAndCloseEndTheWait) {
  run([] {
    const Owned event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get());
    Task<void> cancelled = spawn([&] { async.wait_readable(); });
    Task<std::error_code> closed = spawn([&] { return error_of([&] { async.wait_readable(); }); });
    sleep_for(milliseconds(2));
    cancelled.cancel();
    EXPECT_THROW(cancelled.get(), Cancelled);
    EXPECT_FALSE(closed.done());
    std::thread([&] { async.close(); }).join();
    EXPECT_EQ(closed.get(), std::errc::operation_canceled);
    EXPECT_EQ(error_of([&] { async.wait_readable(); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { async.when_readable([] { return 1; }); }),
              std::errc::bad_file_descriptor);
    EXPECT_FALSE(async.is_open());
  });
}

TEST(AsyncFd, WhoNeverWaitsIsCancellableAndLetsOthersRun) {
  run_pinned([] {
    const Owned event(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
    AsyncFd async(event.get());
    Task<void> busy = spawn({.pinned = true}, [&] {
      for (;;) async.when_readable([] { return 1; });
    });
    sleep_for(milliseconds(2));
    busy.cancel();
    EXPECT_THROW(busy.get(), Cancelled);
  });
}

TEST(AsyncFd, NoDescriptorAndPlainThreadAreErrors) {
  EXPECT_EQ(error_of([] { AsyncFd(-1); }), std::errc::bad_file_descriptor);
  EXPECT_THAT(message_of([] { AsyncFd(12345); }), HasSubstr("descriptor 12345"));
  const Owned event(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  AsyncFd async = async_fd(event.get());
  EXPECT_THROW(async.wait_readable(), std::logic_error);
  EXPECT_THROW(async.when_readable([] { return 1; }), std::logic_error);
  run([&] { async.wait_readable(); });
  run([&] { async.wait_readable(); });
  AsyncFd none;
  EXPECT_EQ(error_of([&] { none.wait_writable(); }), std::errc::bad_file_descriptor);
}

TEST(AsyncFd, ManyAtOnce) {
  run([] {
    constexpr int kMany = 300;
    std::vector<int> events;
    std::vector<Task<void>> waiters;
    for (int i = 0; i < kMany; ++i) {
      const int event = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      ASSERT_GE(event, 0);
      events.push_back(event);
      waiters.push_back(spawn([event] {
        AsyncFd async(event);
        for (int round = 0; round < 5; ++round) {
          std::uint64_t count = 0;
          async.when_readable([&] { return ::read(event, &count, sizeof(count)); });
          EXPECT_EQ(::eventfd_write(event, 1), 0);
          async.wait_readable();
          EXPECT_EQ(::read(event, &count, sizeof(count)), ssize_t{sizeof(count)});
          if (round < 4) {
            EXPECT_EQ(::eventfd_write(event, 1), 0);
          }
        }
      }));
    }
    yield();
    for (const int event : events) EXPECT_EQ(::eventfd_write(event, 1), 0);
    for (Task<void>& waiter : waiters) waiter.get();
    for (const int event : events) ::close(event);
  });
}

}  // namespace
}  // namespace weft
