// Goal: terminals that are read byte by byte keep to VMIN and VTIME, and a write that a terminal
// has no room for keeps no worker. Method: a pair of which one end is the test; another fiber has
// to get its turns meanwhile.

#include <fcntl.h>
#include <pty.h>
#include <sys/syscall.h>
#include <termios.h>

#include <string>
#include <thread>

#include "hook/support.h"

namespace {

using namespace hook_test;
using weft::Task;
using Clock = std::chrono::steady_clock;

class HookedTerminals : public OnWorkers {
 protected:
  HookedTerminals() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedTerminals, testing::Values(1U, 2U));

/// Both ends, of which the terminal is read by single bytes and changes none that are written.
struct Terminal {
  Terminal(int least, int tenths) {
    EXPECT_EQ(::openpty(&master, &end, nullptr, nullptr, nullptr), 0);
    termios mode{};
    EXPECT_EQ(::tcgetattr(end, &mode), 0);
    ::cfmakeraw(&mode);
    mode.c_cc[VMIN] = static_cast<cc_t>(least);
    mode.c_cc[VTIME] = static_cast<cc_t>(tenths);
    EXPECT_EQ(::tcsetattr(end, TCSANOW, &mode), 0);
  }
  ~Terminal() {
    ::close(master);
    ::close(end);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  void type(const std::string& text) const {
    EXPECT_EQ(::write(master, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  ssize_t read(std::size_t size) const { return ::read(end, std::string(size, '\0').data(), size); }
  int master = -1;
  int end = -1;
};

TEST_P(HookedTerminals, ThatNeedNoByteAreNotWaitedForForEver) {
  run([&] {
    EXPECT_EQ(Terminal(0, 0).read(10), 0);
    const Terminal patient(0, 2);
    const Clock::time_point begin = Clock::now();
    EXPECT_EQ(patient.read(10), 0);
    EXPECT_GE(Clock::now() - begin, 200ms);
    Task<ssize_t> reader = weft::spawn([&] { return patient.read(10); });
    let_them_sleep();
    patient.type("abc");
    EXPECT_EQ(reader.get(), 3);
  });
}

TEST_P(HookedTerminals, GiveWhatWasAskedForAlthoughItIsLessThanTheirLeast) {
  run([&] {
    const Terminal terminal(5, 0);
    Task<ssize_t> reader = weft::spawn([&] { return terminal.read(2); });
    let_them_sleep();
    terminal.type("ab");
    EXPECT_EQ(reader.get(), 2);
    reader = weft::spawn([&] { return terminal.read(10); });
    terminal.type("ab");
    let_them_sleep();
    EXPECT_FALSE(reader.done());
    terminal.type("cde");
    EXPECT_EQ(reader.get(), 5);
  });
}

TEST_P(HookedTerminals, GiveWhatCameBeforeAGapAndKeepNoWorkerMeanwhile) {
  run([&] {
    const Terminal terminal(5, 10);
    Task<ssize_t> reader = weft::spawn([&] { return terminal.read(10); });
    let_them_sleep();
    terminal.type("ab");
    const Clock::time_point begin = Clock::now();
    let_them_sleep();
    EXPECT_LT(Clock::now() - begin, 900ms);
    EXPECT_EQ(reader.get(), 2);
  });
}

// Each end has room for some 64 KB or less.
TEST_P(HookedTerminals, WithoutRoomKeepNoWorker) {
  run([&] {
    const Terminal terminal(1, 0);
    const std::string text(300'000, 'x');
    for (const int from : {terminal.end, terminal.master}) {
      const int to = from == terminal.end ? terminal.master : terminal.end;
      Task<ssize_t> writer = weft::spawn([&] { return ::write(from, text.data(), text.size()); });
      let_them_sleep();
      std::string piece(10'000, '\0');
      for (std::size_t left = text.size(); left > 0;) {
        const ssize_t count = ::read(to, piece.data(), piece.size());
        ASSERT_GT(count, 0);
        left -= static_cast<std::size_t>(count);
      }
      EXPECT_EQ(writer.get(), static_cast<ssize_t>(text.size()));
    }
  });
}

TEST_P(HookedTerminals, CutAWriteShortThatIsCancelled) {
  run([&] {
    const Terminal terminal(1, 0);
    const std::string text(300'000, 'x');
    ssize_t written = 0;
    EXPECT_THROW(weft::timeout(50ms,
                               [&] {
                                 written = ::write(terminal.end, text.data(), text.size());
                                 weft::yield();
                               }),
                 weft::TimeoutError);
    EXPECT_GT(written, 0);
    EXPECT_LT(written, static_cast<ssize_t>(text.size()));
  });
}

}  // namespace
