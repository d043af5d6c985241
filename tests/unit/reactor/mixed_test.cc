// Goal: beside the sockets that epoll serves, calls on files reach the kernel and their fibers are
// told, whoever polls; one that is to stop returns only when the kernel has let go of its buffer.
// Method: one reactor without a scheduler. Plain threads call its operations, the test polls and
// wakes. A pipe stands for a file whose disk takes its time: a ring reads it just the same.

#include "reactor/mixed.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <weft/error.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/descriptor_pair.h"
#include "support/polled.h"
#include "support/temporary_folder.h"
#include "support/waiting_thread.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::poll_and_wake;
using support::Polled;

constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kLong = 20'000 * kMillisecond;

struct SlowFile {
  SlowFile() {
    int fds[2];
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
    file = Descriptor(fds[0]);
    disk = fds[1];
  }
  ~SlowFile() { ::close(disk); }
  void deliver(std::string_view text) const {
    EXPECT_EQ(::write(disk, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  Descriptor file;
  int disk = -1;
};

IoResult read(MixedReactor& reactor, const Descriptor& from, std::string& text) {
  std::array<char, 16> buffer{};  // Valgrind does not see the kernel write
  const IoResult result = reactor.read_at(from, std::as_writable_bytes(std::span(buffer)), 0);
  text.assign(buffer.data(), result.count);
  return result;
}

TEST(Mixed, WritesSyncsAndReadsAFile) {
  MixedReactor reactor(1);
  ASSERT_TRUE(reactor.takes_files());
  const support::TemporaryFolder folder;
  const Descriptor file(
      ::open((folder / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  constexpr std::string_view kText = "lines";
  IoResult written, synced{.error = -1}, got, end{.error = -1, .count = 9};
  std::string text;
  {
    const Polled caller(reactor, [&] {
      written = reactor.write_at(file, std::as_bytes(std::span(kText)), 0);
      synced = reactor.sync(file, true);
      got = read(reactor, file, text);
      std::array<std::byte, 4> buffer;
      end = reactor.read_at(file, buffer, kText.size());
    });
  }
  EXPECT_EQ(written.count, kText.size());
  EXPECT_EQ(synced.error, 0);
  EXPECT_EQ(text, kText);
  EXPECT_EQ(end.error, 0);
  EXPECT_EQ(end.count, 0U);
  EXPECT_FALSE(reactor.active());
}

TEST(Mixed, TellsErrors) {
  MixedReactor reactor(1);
  const support::TemporaryFolder folder;
  const Descriptor file(::open((folder / "").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  Descriptor closed(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  closed.close();
  IoResult of_folder, of_closed;
  {
    const Polled caller(reactor, [&] {
      std::string text;
      of_folder = read(reactor, file, text);
      of_closed = read(reactor, closed, text);
    });
  }
  EXPECT_EQ(of_folder.error, EISDIR);
  EXPECT_EQ(of_closed.error, EBADF);
}

TEST(Mixed, ASleepEndsWithACallsEnd) {
  MixedReactor reactor(1);
  const SlowFile slow;
  std::string text;
  const Nanos began = now();
  {
    const Polled reader(reactor, [&] { read(reactor, slow.file, text); });
    reader.until_asleep();
    EXPECT_TRUE(reactor.active());
    EXPECT_EQ(poll_and_wake(reactor, 0), 0U);
    const support::WaitingThread disk([&] {
      ::usleep(2000);
      slow.deliver("block");
    });
    EXPECT_EQ(poll_and_wake(reactor, began + kLong), 1U);
  }
  EXPECT_LT(now(), began + kLong);
  EXPECT_EQ(text, "block");
  EXPECT_FALSE(reactor.active());
}

// The plain thread's call is in the first one's ring.
TEST(Mixed, AnyWorkerIsToldOfWhatEnds) {
  MixedReactor reactor(3);
  const SlowFile slow;
  std::string text;
  {
    const Polled reader(reactor, [&] { read(reactor, slow.file, text); });
    reader.until_asleep();
    slow.deliver("block");
    EXPECT_EQ(poll_and_wake(reactor, now() + kLong, 2), 1U);
  }
  EXPECT_EQ(text, "block");
}

TEST(Mixed, ServesSocketsBesides) {
  MixedReactor reactor(1);
  const SlowFile slow;
  const support::DescriptorPair pair;
  std::string text, received;
  {
    const Polled reader(reactor, [&] { read(reactor, slow.file, text); });
    const Polled receiver(reactor, [&] {
      std::array<char, 16> buffer;
      const IoResult result = reactor.receive(pair.ours, std::as_writable_bytes(std::span(buffer)));
      received.assign(buffer.data(), result.count);
    });
    reader.until_asleep();
    receiver.until_asleep();
    pair.send("packet");
    EXPECT_EQ(poll_and_wake(reactor, now() + kLong), 1U);
    slow.deliver("block");
  }
  EXPECT_EQ(received, "packet");
  EXPECT_EQ(text, "block");
}

TEST(Mixed, CancelledCallTakesNothingAndLeavesNothingUnderWay) {
  MixedReactor reactor(1);
  const SlowFile slow;
  bool cancelled = false;
  {
    const Polled reader(reactor, [&] {
      std::string text;
      try {
        read(reactor, slow.file, text);
      } catch (const Cancelled&) {
        cancelled = true;
      }
    });
    reader.until_asleep();
    wake(reader.token(), Wake::kCancelled);
  }
  EXPECT_TRUE(cancelled);
  EXPECT_FALSE(reactor.active());
  slow.deliver("later");
  std::string text;
  {
    const Polled reader(reactor, [&] { read(reactor, slow.file, text); });
  }
  EXPECT_EQ(text, "later");
}

// It has ended by the time the cancellation comes; nobody has polled since.
TEST(Mixed, CancelledTooLateItTellsWhatHasHappened) {
  MixedReactor reactor(1);
  const SlowFile slow;
  std::string text;
  bool cancelled = false;
  {
    const Polled reader(reactor, [&] {
      try {
        read(reactor, slow.file, text);
      } catch (const Cancelled&) {
        cancelled = true;
      }
    });
    reader.until_asleep();
    slow.deliver("taken");
    ::usleep(2000);
    wake(reader.token(), Wake::kCancelled);
  }
  EXPECT_FALSE(cancelled);
  EXPECT_EQ(text, "taken");
}

TEST(Mixed, CloseEndsACallAndTheKernelLetsGo) {
  MixedReactor reactor(1);
  SlowFile slow;
  IoResult result;
  {
    const Polled reader(reactor, [&] {
      std::string text;
      result = read(reactor, slow.file, text);
    });
    reader.until_asleep();
    slow.file.close();
  }
  EXPECT_EQ(result.error, ECANCELED);
  EXPECT_FALSE(reactor.active());
}

// More than are read at a time, so the rest must be told again.
TEST(Mixed, FarMoreCallsEndAtOnceThanOnePollTells) {
  MixedReactor reactor(1);
  constexpr std::size_t kMany = 300;
  const std::vector<SlowFile> files(kMany);
  std::atomic<std::size_t> read_well{0};
  std::size_t told = 0;
  {
    std::vector<std::unique_ptr<support::WaitingThread>> readers;
    for (const SlowFile& slow : files) {
      readers.push_back(std::make_unique<support::WaitingThread>([&] {
        std::string text;
        read(reactor, slow.file, text);
        if (text == "x") ++read_well;
      }));
    }
    for (const auto& reader : readers) reader->until_asleep();
    for (const SlowFile& slow : files) slow.deliver("x");
    ::usleep(2000);
    const Nanos until = now() + kLong;
    while (told < kMany && now() < until) told += poll_and_wake(reactor, until);
  }
  EXPECT_EQ(told, kMany);
  EXPECT_EQ(read_well, kMany);
}

}  // namespace
}  // namespace weft::detail
