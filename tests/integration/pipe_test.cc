// Goal: both ends of a pipe are streams like others, whose waits can be cancelled and closed, and
// no signal comes of writing where nobody reads. Method: both ends in one program; SIGPIPE keeps
// its default action, which would kill the test.

#include <weft/pipe.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::size_t kMuch = std::size_t{1} << 20;  // more than a pipe holds

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

TEST(Pipe, CarriesMoreThanItHolds) {
  run([] {
    Pipe pipe = Pipe::open();
    const std::string sent = pattern(kMuch);
    Task<void> writer = spawn([&] {
      pipe.writer.write_all(sent);
      pipe.writer.close();
    });
    EXPECT_EQ(pipe.reader.read_to_end(kMuch), sent);
    writer.get();
  });
}

TEST(Pipe, PartsArriveInOrderHoweverMany) {
  run([] {
    Pipe pipe = Pipe::open();
    std::vector<std::string> pieces;
    std::string whole;
    for (int i = 0; i < 300; ++i) {
      pieces.push_back(pattern(static_cast<std::size_t>(i * 7 % 1500)));
      whole += pieces.back();
    }
    std::vector<iovec> parts;
    for (std::string& piece : pieces) parts.push_back({piece.data(), piece.size()});
    Task<void> writer = spawn([&] {
      pipe.writer.write_all(std::span<const iovec>(parts));
      pipe.writer.close();
    });
    EXPECT_EQ(pipe.reader.read_to_end(kMuch), whole);
    writer.get();
  });
}

// A pipe's writer is woken per page, its reader per write: neither may wait for a wake-up that does
// not come.
TEST(Pipe, SmallAndOddSizesGoThroughAFullPipe) {
  run([] {
    Pipe pipe = Pipe::open();
    const std::string sent = pattern(300'000);
    Task<void> writer = spawn([&] {
      for (std::size_t at = 0; at < sent.size();) {
        const std::size_t count = std::min<std::size_t>(1 + at % 5000, sent.size() - at);
        pipe.writer.write_all(std::string_view(sent).substr(at, count));
        at += count;
      }
      pipe.writer.close();
    });
    std::string received;
    std::string piece(777, ' ');
    while (const std::size_t count = pipe.reader.read_some(bytes_of(piece))) {
      received.append(piece, 0, count);
    }
    EXPECT_EQ(received, sent);
    writer.get();
  });
}

TEST(Pipe, EndIsClosedOnExecAndNonBlocking) {
  const Pipe pipe = Pipe::open();
  for (const int fd : {pipe.reader.native_handle(), pipe.writer.native_handle()}) {
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  }
}

TEST(Pipe, WritingWhenNobodyReadsIsAnErrorAndNoSignal) {
  struct sigaction action;
  ::sigaction(SIGPIPE, nullptr, &action);
  ASSERT_EQ(action.sa_handler, SIG_DFL) << "or the test would show nothing";
  run([] {
    Pipe pipe = Pipe::open();
    pipe.reader.close();
    EXPECT_EQ(error_of([&] { pipe.writer.write_all("lost"); }), std::errc::broken_pipe);
    EXPECT_THAT(message_of([&] { pipe.writer.write_all("lost"); }), HasSubstr("write to pipe"));
  });
}

TEST(Pipe, WriterThatWaitsLearnsThatTheReaderHasGone) {
  run([] {
    Pipe pipe = Pipe::open();
    const std::string much = pattern(kMuch);
    Task<std::error_code> writer =
        spawn([&] { return error_of([&] { pipe.writer.write_all(much); }); });
    std::array<std::byte, 10> buffer;
    pipe.reader.read_exactly(buffer);
    sleep_for(milliseconds(2));
    pipe.reader.close();
    EXPECT_EQ(writer.get(), std::errc::broken_pipe);
  });
}

TEST(Pipe, EndRefusesTheOtherDirectionAndSaysSo) {
  run([] {
    Pipe pipe = Pipe::open();
    Stream& reader = pipe.reader;
    Stream& writer = pipe.writer;
    EXPECT_EQ(error_of([&] { reader.write_all("x"); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([&] { reader.write_all("x"); }), HasSubstr("not open for that"));
    std::string byte(1, ' ');
    EXPECT_EQ(error_of([&] { writer.read_some(bytes_of(byte)); }), std::errc::bad_file_descriptor);
    writer.write_all("y");
    EXPECT_EQ(reader.read_some(bytes_of(byte)), 1U);
  });
}

TEST(Pipe, ShutdownClosesTheHalfThatThereIs) {
  run([] {
    Pipe pipe = Pipe::open();
    pipe.writer.shutdown(Shutdown::kRead);
    pipe.reader.shutdown(Shutdown::kWrite);
    pipe.writer.write_all("all");
    pipe.writer.shutdown();
    EXPECT_FALSE(pipe.writer.is_open());
    EXPECT_EQ(pipe.reader.read_to_end(10), "all");
    pipe.reader.shutdown(Shutdown::kRead);
    EXPECT_FALSE(pipe.reader.is_open());
    EXPECT_EQ(error_of([&] { pipe.writer.shutdown(); }), std::errc::bad_file_descriptor);
  });
}

TEST(Pipe, CancelledReadLosesNothing) {
  run([] {
    Pipe pipe = Pipe::open();
    std::string eight(8, ' ');
    for (int round = 0; round < 20; ++round) {
      Task<void> reader = spawn([&] { pipe.reader.read_exactly(bytes_of(eight)); });
      pipe.writer.write_all("1234");
      sleep_for(milliseconds(1));
      reader.cancel();
      EXPECT_THROW(reader.get(), Cancelled);
      pipe.writer.write_all("5678");
      pipe.reader.read_exactly(bytes_of(eight));
      EXPECT_EQ(eight, "12345678");
    }
  });
}

TEST(Pipe, TimedOutWriteLeavesAPrefix) {
  run([] {
    Pipe pipe = Pipe::open();
    const std::string much = pattern(kMuch);
    EXPECT_THROW(timeout(milliseconds(5), [&] { pipe.writer.write_all(much); }), TimeoutError);
    Task<std::string> reader = spawn([&] { return pipe.reader.read_to_end(2 * kMuch); });
    pipe.writer.write_all("#");
    pipe.writer.close();
    const std::string received = reader.get();
    ASSERT_EQ(received.back(), '#');
    EXPECT_EQ(received.substr(0, received.size() - 1), much.substr(0, received.size() - 1));
    EXPECT_GT(received.size(), 1U);
  });
}

TEST(Pipe, CloseEndsWhoWaits) {
  run([] {
    const auto code_of = [](auto call) { return spawn([call] { return error_of(call); }); };
    Pipe pipe = Pipe::open();
    std::string byte(1, ' ');
    Task<std::error_code> reader = code_of([&] { pipe.reader.read_some(bytes_of(byte)); });
    sleep_for(milliseconds(2));
    std::thread([&] { pipe.reader.close(); }).join();
    EXPECT_EQ(reader.get(), std::errc::operation_canceled);

    Pipe other = Pipe::open();
    const std::string much = pattern(kMuch);
    Task<std::error_code> writer = code_of([&] { other.writer.write_all(much); });
    sleep_for(milliseconds(2));
    other.writer.close();
    EXPECT_EQ(writer.get(), std::errc::operation_canceled);
    EXPECT_EQ(error_of([&] { other.writer.write_all("x"); }), std::errc::bad_file_descriptor);
  });
}

TEST(Pipe, TooManyOpenFilesLeavesNothing) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const std::size_t open = process_counts().descriptors;
  // Room for one more, which is not enough for two ends.
  std::vector<Pipe> filling;
  const int lowest = ::dup(0);
  ::close(lowest);
  rlimit low = before;
  low.rlim_cur = static_cast<rlim_t>(lowest) + 1;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  const std::error_code code = error_of([&] {
    for (;;) filling.push_back(Pipe::open());
  });
  const std::string message = message_of([] { Pipe::open(); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(code, std::errc::too_many_files_open);
  EXPECT_THAT(message, HasSubstr("open a pipe"));
  EXPECT_EQ(process_counts().descriptors, open + 2 * filling.size());
}

TEST(Pipe, AdoptsWhatIsAPipeAndRefusesWhatIsNot) {
  run([] {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const std::size_t open = process_counts().descriptors;
    PipeReader reader = PipeReader::adopt(ends[0]);
    PipeWriter writer = PipeWriter::adopt(ends[1]);
    writer.write_all("adopted");
    writer.close();
    EXPECT_EQ(reader.read_to_end(10), "adopted");
    reader.close();

    ASSERT_EQ(::pipe(ends), 0);
    EXPECT_EQ(error_of([&] { PipeReader::adopt(ends[1]); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([&] { PipeWriter::adopt(ends[0]); }), std::errc::invalid_argument);
    const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    EXPECT_THAT(message_of([&] { PipeReader::adopt(file); }), HasSubstr("no such end of a pipe"));
    EXPECT_EQ(process_counts().descriptors, open - 2) << "refused ones are closed";
    EXPECT_EQ(error_of([] { PipeReader::adopt(-1); }), std::errc::bad_file_descriptor);
  });
}

TEST(Pipe, NeverOpenedFailsAndPlainThreadIsRefused) {
  run([] {
    PipeReader none;
    EXPECT_FALSE(none.is_open());
    EXPECT_EQ(error_of([&] { none.read_to_end(1); }), std::errc::bad_file_descriptor);
  });
  Pipe pipe = Pipe::open();
  EXPECT_THROW(pipe.reader.read_to_end(1), std::logic_error);
  EXPECT_THROW(pipe.writer.write_all("x"), std::logic_error);
}

// What a program started by a fiber inherits: no blocked signal, and the default action.
TEST(Pipe, ChildrenGetTheSignalAsEver) {
  run([] {
    Pipe pipe = Pipe::open();
    pipe.reader.close();
    EXPECT_EQ(error_of([&] { pipe.writer.write_all("lost"); }), std::errc::broken_pipe);
    const pid_t child = ::fork();
    if (child == 0) {
      int ends[2];
      if (::pipe(ends) != 0) ::_exit(2);
      ::close(ends[0]);
      const ssize_t written = ::write(ends[1], "x", 1);
      ::_exit(written == 1 ? 3 : 4);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(WTERMSIG(status), SIGPIPE);
  });
}

}  // namespace
}  // namespace weft
