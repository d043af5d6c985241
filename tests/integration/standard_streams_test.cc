// Goal: streams over descriptors that other processes have, too, do not block a worker and do not
// change how those descriptors behave. Method: blocking pipes, sockets, terminals and files in the
// place of the standard streams; another fiber shows that the worker is not blocked.

#include <weft/standard_streams.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <span>
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

// A blocking descriptor, and the other side of it.
struct Sides {
  OwnedFd ours, theirs;
};

// A master cannot be opened anew, and the kernel has no call on it that does not block.
enum class Kind { kPipe, kSocket, kTerminal, kMaster };

Sides input_of(Kind kind) {
  int ends[2] = {-1, -1};
  if (kind == Kind::kPipe) {
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  } else if (kind == Kind::kSocket) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  } else {
    EXPECT_EQ(::openpty(&ends[1], &ends[0], nullptr, nullptr, nullptr), 0);
    termios raw{};
    ::tcgetattr(ends[0], &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(ends[0], TCSANOW, &raw);
    if (kind == Kind::kMaster) std::swap(ends[0], ends[1]);
  }
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

Sides output_of(Kind kind) {
  Sides sides = input_of(kind);
  if (kind == Kind::kPipe) std::swap(sides.ours, sides.theirs);
  return sides;
}

std::string read_plainly(int fd, std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t got = 0; got < size;) {
    const ssize_t count = ::read(fd, text.data() + got, size - got);
    if (count <= 0) return text.substr(0, got);
    got += static_cast<std::size_t>(count);
  }
  return text;
}

class StandardStreams : public testing::TestWithParam<Kind> {};

TEST_P(StandardStreams, ReadersWaitWithoutBlockingTheWorker) {
  run_pinned([] {
    Sides sides = input_of(GetParam());
    InheritedStream input = InheritedStream::open(sides.ours.get(), "the input");
    Task<std::string> reader = spawn({.pinned = true}, [&] { return input.read_until("\n"); });
    for (const char* piece : {"wo", "r", "d\n"}) {
      sleep_for(milliseconds(1));
      EXPECT_FALSE(reader.done());
      const std::string_view text = piece;
      EXPECT_EQ(::write(sides.theirs.get(), piece, text.size()), static_cast<ssize_t>(text.size()));
    }
    EXPECT_EQ(reader.get(), "word\n");
    EXPECT_EQ(::fcntl(sides.ours.get(), F_GETFL) & O_NONBLOCK, 0);
  });
}

TEST_P(StandardStreams, CancelAndTimeOutLoseNothingAndCloseWakes) {
  run([] {
    Sides sides = input_of(GetParam());
    InheritedStream input = InheritedStream::open(sides.ours.get(), "the input");
    std::string four(4, ' ');
    for (int round = 0; round < 10; ++round) {
      EXPECT_EQ(::write(sides.theirs.get(), "12", 2), 2);
      EXPECT_THROW(timeout(milliseconds(1), [&] { input.read_exactly(bytes_of(four)); }),
                   TimeoutError);
      EXPECT_EQ(::write(sides.theirs.get(), "34", 2), 2);
      input.read_exactly(bytes_of(four));
      EXPECT_EQ(four, "1234");
    }
    Task<std::error_code> closed =
        spawn([&] { return error_of([&] { input.read_exactly(bytes_of(four)); }); });
    sleep_for(milliseconds(2));
    input.close();
    EXPECT_EQ(closed.get(), std::errc::operation_canceled);
    EXPECT_GE(::fcntl(sides.ours.get(), F_GETFD), 0) << "the number is still the program's";
  });
}

// Twice as much as any of them holds, and nobody reads at first.
TEST_P(StandardStreams, WritersWaitWithoutBlockingTheWorker) {
  run_pinned([] {
    Sides sides = output_of(GetParam());
    InheritedStream output = InheritedStream::open(sides.ours.get(), "the output");
    const std::string much(std::size_t{1} << 19, 'm');
    std::string more(3, ' ');
    std::array<iovec, 3> parts{};
    for (std::size_t i = 0; i < 3; ++i) parts[i] = {more.data() + i, 1};
    Task<void> writer = spawn({.pinned = true}, [&] {
      output.write_all(much);
      output.write_all(std::span<const iovec>(parts));
    });
    sleep_for(milliseconds(2));
    EXPECT_FALSE(writer.done());
    std::string received;
    std::thread reader(
        [&] { received = read_plainly(sides.theirs.get(), much.size() + more.size()); });
    writer.get();
    reader.join();
    EXPECT_EQ(received, much + more);
    EXPECT_EQ(::fcntl(sides.ours.get(), F_GETFL) & O_NONBLOCK, 0);
  });
}

// Whoever is cancelled knows what was written: exactly that arrives.
TEST_P(StandardStreams, CancelledWriterHasWrittenWhatItCounts) {
  run([] {
    Sides sides = output_of(GetParam());
    InheritedStream output = InheritedStream::open(sides.ours.get(), "the output");
    std::string text(400'000, ' ');
    for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('!' + i % 83);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    std::string received;
    std::atomic<bool> cancelled_once = false;
    std::thread reader([&] {
      while (!cancelled_once) std::this_thread::yield();
      received = read_plainly(sides.theirs.get(), text.size());
    });
    for (std::size_t written = 0; written < text.size(); cancelled_once = true) {
      Task<void> writer = spawn([&] {
        while (written < text.size()) written += output.write_some(bytes.subspan(written));
      });
      sleep_for(std::chrono::microseconds(300));
      writer.cancel();
      writer.join();
    }
    reader.join();
    EXPECT_TRUE(received == text);
  });
}

// Both are told that there is something; the one that comes too late must not block its worker.
TEST_P(StandardStreams, TwoReadersShareWithoutGettingStuck) {
  run([] {
    Sides sides = input_of(GetParam());
    InheritedStream first = InheritedStream::open(sides.ours.get(), "first");
    InheritedStream second = InheritedStream::open(sides.ours.get(), "second");
    std::atomic<std::size_t> total = 0;
    const auto take = [&](InheritedStream& from) {
      std::array<std::byte, 7> some;
      for (;;) total += from.read_some(some);
    };
    for (std::size_t round = 1; round <= 300; ++round) {
      Task<void> one = spawn([&] { take(first); });
      Task<void> other = spawn([&] { take(second); });
      if (round % 2 == 0) sleep_for(std::chrono::microseconds(50));
      EXPECT_EQ(::write(sides.theirs.get(), "1234567", 7), 7);
      until([&] { return total == 7 * round; });
      one.cancel();
      other.cancel();
      one.join();
      other.join();
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, StandardStreams,
                         testing::Values(Kind::kPipe, Kind::kSocket, Kind::kTerminal,
                                         Kind::kMaster),
                         [](const auto& kind) -> std::string {
                           if (kind.param == Kind::kPipe) return "Pipe";
                           if (kind.param == Kind::kMaster) return "Master";
                           return kind.param == Kind::kSocket ? "Socket" : "Terminal";
                         });

// Something else in the place of a standard stream for a while.
class InPlaceOf {
 public:
  InPlaceOf(int number, int other) : number_(number), before_(::dup(number)) {
    EXPECT_EQ(::dup2(other, number), number);
  }
  ~InPlaceOf() {
    ::dup2(before_, number_);
    ::close(before_);
  }
  InPlaceOf(const InPlaceOf&) = delete;
  InPlaceOf& operator=(const InPlaceOf&) = delete;

 private:
  const int number_;
  const int before_;
};

TEST(StandardStreamsOf, PipesEndAndBreakLikeOthers) {
  run([] {
    Sides in = input_of(Kind::kPipe), out = output_of(Kind::kPipe);
    const InPlaceOf replaced_input(0, in.ours.get());
    const InPlaceOf replaced_output(1, out.ours.get());
    in.ours.reset();
    InheritedStream input = standard_input(), output = standard_output();
    EXPECT_EQ(::write(in.theirs.get(), "all there is", 12), 12);
    in.theirs.reset();
    EXPECT_EQ(input.read_to_end(100), "all there is");
    output.write_all("answer");
    EXPECT_EQ(read_plainly(out.theirs.get(), 6), "answer");
    out.theirs.reset();
    EXPECT_EQ(error_of([&] { output.write_all("x"); }), std::errc::broken_pipe);
    EXPECT_THAT(message_of([&] { output.write_all("x"); }), HasSubstr("write to standard output"));
  });
}

TEST(StandardStreamsOf, PipesAreShutDownAndWhatIsNoPipeIsNot) {
  run([] {
    Sides out = output_of(Kind::kPipe);
    InheritedStream output = InheritedStream::open(out.ours.get(), "the output");
    output.shutdown(Shutdown::kRead);
    EXPECT_TRUE(output.is_open()) << "it has no such half";
    output.write_all("last");
    output.shutdown();
    EXPECT_FALSE(output.is_open());
    out.ours.reset();
    EXPECT_EQ(read_plainly(out.theirs.get(), 10), "last") << "and then the end";

    Sides terminal = output_of(Kind::kTerminal);
    const OwnedFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const std::string path = "/proc/self/fd/" + std::to_string(terminal.ours.get());
    const OwnedFd written(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC));
    for (const int fd : {null.get(), terminal.ours.get(), written.get()}) {
      InheritedStream other = InheritedStream::open(fd, "no pipe");
      EXPECT_EQ(error_of([&] { other.shutdown(); }), std::errc::not_a_socket);
      EXPECT_TRUE(other.is_open());
    }
  });
}

TEST(StandardStreamsOf, FilesOnDiskAreReadAndWrittenAtTheirPosition) {
  run([] {
    const TemporaryFolder folder;
    const std::string content(300'000, 'c');
    std::ofstream(folder / "in") << "skipped" << content;
    const OwnedFd in(::open((folder / "in").c_str(), O_RDONLY | O_CLOEXEC));
    const OwnedFd out(::open((folder / "out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    const InPlaceOf replaced_input(0, in.get());
    const InPlaceOf replaced_output(1, out.get());
    EXPECT_EQ(::lseek(0, 7, SEEK_SET), 7);
    EXPECT_EQ(standard_input().read_to_end(1'000'000), content);
    EXPECT_EQ(standard_input().read_to_end(10), "") << "the position is shared";
    EXPECT_EQ(::write(1, "first ", 6), 6);
    InheritedStream output = standard_output();
    output.write_all("second ");
    std::string third = "third", fourth = " fourth";
    const std::array parts{iovec{third.data(), third.size()}, iovec{fourth.data(), fourth.size()}};
    output.write_all(parts);
    EXPECT_EQ(::lseek(out.get(), 0, SEEK_SET), 0);
    EXPECT_EQ(read_plainly(out.get(), 100), "first second third fourth");
  });
}

TEST(StandardStreamsOf, CancelledReadersOfAFileLoseNothing) {
  run([] {
    const TemporaryFolder folder;
    const std::string content(300'000, 'c');
    std::ofstream(folder / "in") << content;
    const OwnedFd in(::open((folder / "in").c_str(), O_RDONLY | O_CLOEXEC));
    int cancelled = 0;
    for (int round = 0; round < 50; ++round) {
      EXPECT_EQ(::lseek(in.get(), 0, SEEK_SET), 0);
      InheritedStream input = InheritedStream::open(in.get(), "the file");
      bool was_quicker = false;
      Task<void> reader = spawn([&] {
        input.read_to_end(1'000'000);
        was_quicker = true;
      });
      sleep_for(std::chrono::microseconds(20 * round));
      reader.cancel();
      reader.join();
      if (was_quicker) continue;
      ++cancelled;
      EXPECT_EQ(input.read_to_end(1'000'000).size(), content.size());
    }
    EXPECT_GT(cancelled, 0);
  });
}

TEST(StandardStreamsOf, NothingAndTheWrongDirectionAreErrors) {
  run([] {
    const OwnedFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    InheritedStream nothing = InheritedStream::open(null.get(), "nothing");
    EXPECT_EQ(nothing.read_to_end(10), "");
    nothing.write_all("gone");

    Sides pipe = input_of(Kind::kPipe);
    InheritedStream reader = InheritedStream::open(pipe.ours.get(), "the input");
    EXPECT_EQ(error_of([&] { reader.write_all("x"); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([&] { reader.write_all("x"); }), HasSubstr("not open for that"));
    EXPECT_EQ(error_of([] { InheritedStream::open(-1, "none"); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([] { InheritedStream::open(54321, "none"); }), HasSubstr("open none"));
    InheritedStream never;
    EXPECT_EQ(error_of([&] { never.write_all("x"); }), std::errc::bad_file_descriptor);
  });
}

TEST(StandardStreamsOf, ATerminalGivesLinesAndLeavesItsMaster) {
  run([] {
    int master = -1, slave = -1;
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    const OwnedFd own_master(master), own_slave(slave);
    InheritedStream terminal = InheritedStream::open(slave, "terminal");
    InheritedStream keyboard = InheritedStream::open(master, "keyboard");
    Task<std::string> line = spawn([&] { return terminal.read_until("\n"); });
    keyboard.write_all("typed");
    sleep_for(milliseconds(2));
    EXPECT_FALSE(line.done()) << "the line is not complete";
    keyboard.write_all("\n");
    EXPECT_EQ(line.get(), "typed\n");
    EXPECT_EQ(keyboard.read_until("\n"), "typed\r\n") << "the echo";
    terminal.write_all("shown");
    std::string shown(5, ' ');
    keyboard.read_exactly(bytes_of(shown));
    EXPECT_EQ(shown, "shown");
    for (const int fd : {master, slave}) EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  });
}

TEST(StandardStreamsOf, NothingIsLeftOpen) {
  const std::size_t open = process_counts().descriptors;
  run([] {
    for (int i = 0; i < 10; ++i) {
      const InheritedStream in = standard_input(), out = standard_output(), err = standard_error();
      EXPECT_NE(in.native_handle(), 0);
    }
  });
  EXPECT_EQ(process_counts().descriptors, open);
}

}  // namespace
}  // namespace weft
