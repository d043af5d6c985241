// Goal: descriptors travel with bytes and belong to somebody at every moment: none is left open,
// whatever ends the call. Method: pipes are passed within one program, whose open descriptors are
// counted before and after.

#include <weft/unix.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::HasSubstr;

std::span<const std::byte> data_of(std::string_view text) { return std::as_bytes(std::span(text)); }

ino_t file_of(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status.st_ino;
}

std::string text_of(const std::array<std::byte, 64>& buffer, const ReceivedDescriptors& received) {
  return {reinterpret_cast<const char*>(buffer.data()), received.size};
}

// Pipes' ends, the numbers of which are passed on.
class Pipes {
 public:
  explicit Pipes(std::size_t count) {
    while (numbers.size() < count) {
      pipes_.push_back(Pipe::open());
      numbers.push_back(pipes_.back().reader.native_handle());
      if (numbers.size() < count) numbers.push_back(pipes_.back().writer.native_handle());
    }
  }
  std::vector<int> numbers;

 private:
  std::vector<Pipe> pipes_;
};

// No descriptor more at its end than at its beginning.
class NoLeak {
 public:
  NoLeak() = default;
  ~NoLeak() { EXPECT_EQ(process_counts().descriptors, before_); }
  NoLeak(const NoLeak&) = delete;
  NoLeak& operator=(const NoLeak&) = delete;

 private:
  const std::size_t before_ = process_counts().descriptors;
};

TEST(UnixDescriptors, ArriveWithTheirBytesClosedOnExec) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const NoLeak check;
    const Pipes pipes(3);
    one.write_with_descriptors(data_of("three"), pipes.numbers);
    std::array<std::byte, 64> buffer;
    const ReceivedDescriptors received = other.read_with_descriptors(buffer);
    EXPECT_EQ(text_of(buffer, received), "three");
    EXPECT_FALSE(received.truncated);
    ASSERT_EQ(received.descriptors.size(), 3U);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(file_of(received.descriptors[i].get()), file_of(pipes.numbers[i]));
      EXPECT_EQ(::fcntl(received.descriptors[i].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    }
  });
}

TEST(UnixDescriptors, BelongToTheBytesTheyCameWith) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const NoLeak check;
    const Pipes pipes(2);
    one.write_all("before ");
    one.write_with_descriptors(data_of("first"), std::span(pipes.numbers).first(1));
    one.write_with_descriptors(data_of("second"), std::span(pipes.numbers).last(1));
    one.write_all(" after");
    one.shutdown();
    std::array<std::byte, 64> buffer;
    std::string all;
    std::vector<std::string> with_descriptors;
    for (;;) {
      const ReceivedDescriptors received = other.read_with_descriptors(buffer);
      if (received.size == 0) break;
      all += text_of(buffer, received);
      if (!received.descriptors.empty()) {
        EXPECT_EQ(received.descriptors.size(), 1U);
        with_descriptors.push_back(text_of(buffer, received));
      }
    }
    EXPECT_EQ(all, "before firstsecond after");
    ASSERT_EQ(with_descriptors.size(), 2U);
    EXPECT_THAT(with_descriptors[0], testing::EndsWith("first"));
    EXPECT_THAT(with_descriptors[1], testing::StartsWith("second"));
  });
}

TEST(UnixDescriptors, AsManyAsTheKernelAllowsAndNoMore) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const NoLeak check;
    const Pipes pipes(UnixStream::kMostDescriptors);
    one.write_with_descriptors(data_of("x"), pipes.numbers);
    std::array<std::byte, 64> buffer;
    const ReceivedDescriptors received = other.read_with_descriptors(buffer);
    EXPECT_EQ(received.descriptors.size(), UnixStream::kMostDescriptors);
    EXPECT_FALSE(received.truncated);
    std::vector<int> more = pipes.numbers;
    more.push_back(0);
    EXPECT_THROW(one.write_with_descriptors(data_of("x"), more), std::invalid_argument);
    EXPECT_THROW(one.write_with_descriptors({}, pipes.numbers), std::invalid_argument);
    one.write_with_descriptors(data_of("none"), {});
    EXPECT_EQ(other.read_with_descriptors(buffer).size, 4U);
  });
}

TEST(UnixDescriptors, SurplusIsClosedAndTold) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const NoLeak check;
    const Pipes pipes(8);
    std::array<std::byte, 64> buffer;
    for (const std::size_t most : {0U, 1U, 2U, 3U, 7U, 8U}) {
      const NoLeak check_each;
      one.write_with_descriptors(data_of("eight"), pipes.numbers);
      const ReceivedDescriptors received = other.read_with_descriptors(buffer, most);
      EXPECT_EQ(received.descriptors.size(), most);
      EXPECT_EQ(received.truncated, most < 8);
      EXPECT_EQ(text_of(buffer, received), "eight") << "the bytes are there all the same";
    }
  });
}

TEST(UnixDescriptors, WantOfNumbersIsToldAndLeaksNothing) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const NoLeak check;
    const Pipes pipes(6);
    one.write_with_descriptors(data_of("six"), pipes.numbers);
    rlimit before;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest = ::dup(0);
    ::close(lowest);
    rlimit low = before;
    low.rlim_cur = static_cast<rlim_t>(lowest) + 2;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    std::array<std::byte, 64> buffer;
    const ReceivedDescriptors received = other.read_with_descriptors(buffer);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(text_of(buffer, received), "six");
    EXPECT_TRUE(received.truncated);
    EXPECT_LE(received.descriptors.size(), 2U);
  });
}

TEST(UnixDescriptors, OtherWaysOfReadingDropThem) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const NoLeak check;
    const Pipes pipes(20);
    for (int i = 0; i < 20; ++i) one.write_with_descriptors(data_of("line\n"), pipes.numbers);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(other.read_until("\n"), "line\n");
    // What was looked ahead at comes without.
    one.write_all("a\nb");
    EXPECT_EQ(other.read_until("\n"), "a\n");
    one.write_with_descriptors(data_of("c"), pipes.numbers);
    std::array<std::byte, 64> buffer;
    EXPECT_EQ(other.read_with_descriptors(buffer).size, 1U);
    EXPECT_EQ(other.read_with_descriptors(buffer).descriptors.size(), 20U);
  });
}

TEST(UnixDescriptors, NeverReceivedAreClosedWithTheConnection) {
  run([] {
    const NoLeak check;
    auto [one, other] = UnixStream::pair();
    Pipe pipe = Pipe::open();
    const std::array passed{pipe.writer.native_handle()};
    one.write_with_descriptors(data_of("x"), passed);
    pipe.writer.close();
    EXPECT_THROW(timeout(milliseconds(2), [&] { pipe.reader.read_to_end(1); }), TimeoutError)
        << "it is under way";
    other.close();
    EXPECT_EQ(pipe.reader.read_to_end(1), "");
  });
}

TEST(UnixDescriptors, BadNumberIsAnErrorThatSendsNothing) {
  run([] {
    auto [one, other] = UnixStream::pair();
    const std::array bad{0, 54321};
    const auto send = [&one = one, &bad] { one.write_with_descriptors(data_of("x"), bad); };
    EXPECT_EQ(error_of(send), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of(send), HasSubstr("of the descriptors to be passed on"));
    one.write_all("fine");
    one.close();
    EXPECT_EQ(other.read_to_end(10), "fine");
    EXPECT_EQ(error_of(send), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of(send), HasSubstr("closed before"));
  });
}

TEST(UnixDescriptors, CancelledAndClosedWaitsLeakNothing) {
  run([] {
    const NoLeak check;
    auto [one, other] = UnixStream::pair();
    const Pipes pipes(5);
    std::array<std::byte, 64> buffer;
    int got = 0;
    // The time-out comes before, with or after the message.
    for (int round = 0; round < 200; ++round) {
      Task<void> sender = spawn([&one = one, &pipes, round] {
        sleep_for(std::chrono::microseconds(round % 20 * 50));
        one.write_with_descriptors(data_of("x"), pipes.numbers);
      });
      try {
        timeout(std::chrono::microseconds(500), [&other = other, &buffer, &got] {
          got += static_cast<int>(other.read_with_descriptors(buffer).descriptors.size());
        });
      } catch (const TimeoutError&) {
        got += static_cast<int>(other.read_with_descriptors(buffer).descriptors.size());
      }
      sender.get();
    }
    EXPECT_EQ(got, 1000);
    Task<std::error_code> closed = spawn([&other = other, &buffer] {
      return error_of([&] { other.read_with_descriptors(buffer); });
    });
    sleep_for(milliseconds(1));
    other.close();
    EXPECT_EQ(closed.get(), std::errc::operation_canceled);
  });
}

TEST(UnixDescriptors, MoreDataThanFitsGoesOnAfterTheDescriptors) {
  run([] {
    const NoLeak check;
    auto [one, other] = UnixStream::pair();
    const Pipes pipes(2);
    const std::string much(std::size_t{4} << 20, 'm');
    Task<void> writer = spawn([&one = one, &pipes, &much] {
      one.write_with_descriptors(data_of(much), pipes.numbers);
      one.shutdown();
    });
    std::array<std::byte, 64> buffer;
    const ReceivedDescriptors received = other.read_with_descriptors(buffer);
    EXPECT_EQ(received.descriptors.size(), 2U);
    EXPECT_EQ(received.size + other.read_to_end(much.size()).size(), much.size());
    writer.get();
  });
}

TEST(UnixDescriptors, ThousandsPassedLeakNone) {
  run([] {
    const NoLeak check;
    auto [one, other] = UnixStream::pair();
    constexpr std::size_t kTotal = 10'000;
    const Pipes pipes(50);
    Task<void> sender = spawn([&one = one, &pipes] {
      for (std::size_t sent = 0; sent < kTotal; sent += 50) {
        one.write_with_descriptors(data_of("fifty"), pipes.numbers);
      }
      one.shutdown();
    });
    std::array<std::byte, 64> buffer;
    std::size_t got = 0;
    for (;;) {
      ReceivedDescriptors received = other.read_with_descriptors(buffer);
      if (received.size == 0) break;
      got += received.descriptors.size();
      // Some change hands on the way.
      OwnedFd kept = std::move(received.descriptors.front());
      received.descriptors[1] = std::move(kept);
    }
    EXPECT_EQ(got, kTotal);
    sender.get();
  });
}

TEST(UnixDescriptors, ConnectionHandedOverGoesOn) {
  run([] {
    const NoLeak check;
    auto [one, other] = UnixStream::pair();
    Connected tcp = connect_pair();
    tcp.client.write_all("asked before");
    const std::array passed{tcp.server.native_handle()};
    one.write_with_descriptors(data_of("x"), passed);
    tcp.server.close();
    std::array<std::byte, 64> buffer;
    ReceivedDescriptors received = other.read_with_descriptors(buffer);
    ASSERT_EQ(received.descriptors.size(), 1U);
    TcpStream taken = TcpStream::adopt(received.descriptors[0].release());
    EXPECT_EQ(taken.peer_address(), tcp.client.local_address());
    std::string text(12, ' ');
    taken.read_exactly(bytes_of(text));
    EXPECT_EQ(text, "asked before");
    taken.write_all("answered after");
    taken.close();
    EXPECT_EQ(tcp.client.read_to_end(100), "answered after");
  });
}

}  // namespace
}  // namespace weft
