// Goal: writing where nobody reads is EPIPE and no signal, with the kernel's flag and without, and
// leaves the thread's mask and pending signals as they were. Method: SIGPIPE keeps its default
// action, which would kill the test; both ways are called by name.

#include "reactor/quiet_write.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <thread>

#include "base/spinlock.h"

namespace weft::detail {
namespace {

using Write = ssize_t (*)(int, const iovec*, std::size_t, int) noexcept;

bool blocks_pipe_signal() {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return ::sigismember(&mask, SIGPIPE) == 1;
}

bool has_pending_pipe_signal() {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, SIGPIPE) == 1;
}

class QuietWrite : public testing::TestWithParam<Write> {
 protected:
  QuietWrite() { EXPECT_EQ(::pipe2(ends_.data(), O_NONBLOCK | O_CLOEXEC), 0); }
  ~QuietWrite() override {
    for (const int end : ends_) {
      if (end >= 0) ::close(end);
    }
  }

  ssize_t write(const std::string& text) {
    const iovec part{const_cast<char*>(text.data()), text.size()};
    return GetParam()(ends_[1], &part, 1, 0);
  }
  void close_reader() {
    ::close(ends_[0]);
    ends_[0] = -1;
  }

  std::array<int, 2> ends_{-1, -1};
};

TEST_P(QuietWrite, WritesAllParts) {
  std::string first = "one ", second = "two";
  const std::array parts{iovec{first.data(), first.size()}, iovec{second.data(), second.size()}};
  EXPECT_EQ(GetParam()(ends_[1], parts.data(), parts.size(), 0), 7);
  std::array<char, 16> buffer{};
  EXPECT_EQ(::read(ends_[0], buffer.data(), buffer.size()), 7);
  EXPECT_STREQ(buffer.data(), "one two");
}

TEST_P(QuietWrite, FullPipeIsAnErrorThatIsKept) {
  while (write(std::string(4096, 'x')) > 0) {
  }
  EXPECT_EQ(errno, EAGAIN);
}

TEST_P(QuietWrite, NobodyReadsIsAnErrorAndNoSignal) {
  close_reader();
  for (int i = 0; i < 3; ++i) {
    errno = 0;
    EXPECT_EQ(write("lost"), -1);
    EXPECT_EQ(errno, EPIPE);
    EXPECT_FALSE(blocks_pipe_signal());
    EXPECT_FALSE(has_pending_pipe_signal());
  }
}

TEST_P(QuietWrite, SignalThatWasPendingStaysPending) {
  close_reader();
  sigset_t pipe_signal;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr), 0);
  EXPECT_EQ(write("lost"), -1);
  EXPECT_FALSE(has_pending_pipe_signal()) << "it was made here";
  ::pthread_kill(::pthread_self(), SIGPIPE);
  EXPECT_EQ(write("lost"), -1);
  EXPECT_TRUE(has_pending_pipe_signal()) << "it was not made here";
  EXPECT_TRUE(blocks_pipe_signal());
  const timespec at_once{};
  EXPECT_EQ(::sigtimedwait(&pipe_signal, nullptr, &at_once), SIGPIPE);
  ::pthread_sigmask(SIG_UNBLOCK, &pipe_signal, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Ways, QuietWrite,
                         testing::Values(&write_quietly, &write_with_signal_blocked),
                         [](const auto& way) {
                           return way.param == &write_quietly ? "ByFlag" : "ByMask";
                         });

// The kernel sends in parts, and tells how much went before the one that met nobody: the peer is to
// go between two of them, which takes some tries.
TEST(QuietSplice, PeerThatGoesInTheMiddleIsNoSignal) {
  constexpr std::size_t kPage = 4096, kPages = 128;
  const std::array<char, kPage> page{};
  int in_the_middle = 0;
  for (int i = 0; i < 20'000 && in_the_middle < 3; ++i) {
    std::array<int, 2> pipe{}, pair{};
    ASSERT_EQ(::pipe2(pipe.data(), O_NONBLOCK), 0);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair.data()), 0);
    ::fcntl(pipe[1], F_SETPIPE_SZ, kPage * kPages);
    for (std::size_t k = 0; k < kPages; ++k) {
      ASSERT_EQ(::write(pipe[1], page.data(), kPage), ssize_t{kPage});
    }
    std::atomic<bool> begun{false};
    std::thread peer([&] {
      begun = true;
      for (int k = 0; k < i % 64 * 20; ++k) cpu_relax();
      ::close(pair[1]);
    });
    while (!begun) continue;
    const ssize_t count = splice_quietly(pipe[0], pair[0], nullptr, kPage * kPages);
    peer.join();
    if (count > 0 && splice_quietly(pipe[0], pair[0], nullptr, kPage) < 0 && errno == EPIPE) {
      ++in_the_middle;
    }
    EXPECT_FALSE(has_pending_pipe_signal());
    for (const int fd : {pipe[0], pipe[1], pair[0]}) ::close(fd);
  }
}

}  // namespace
}  // namespace weft::detail
