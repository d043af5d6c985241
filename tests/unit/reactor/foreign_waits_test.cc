// Goal: who waits for a descriptor that is somebody else's is told what poll(2) would say, whatever
// happens to the descriptor meanwhile. Method: both drivers without a scheduler. Plain threads
// wait, the test polls and wakes; the descriptors are real.

#include "reactor/foreign_waits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/owned_fd.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "reactor/epoll.h"
#include "support/waiting_thread.h"
#include "time/clock.h"
#if defined(WEFT_HAVE_URING)
#include "reactor/uring.h"
#include "support/valgrind.h"
#endif

namespace weft::detail {
namespace {

constexpr unsigned kWorker = 0;
constexpr Nanos kMillisecond = 1'000'000;

struct Ends {
  explicit Ends(int type = SOCK_STREAM) { EXPECT_EQ(::socketpair(AF_UNIX, type, 0, fds), 0); }
  ~Ends() {
    for (const int fd : fds) {
      if (fd >= 0) ::close(fd);
    }
  }
  Ends(const Ends&) = delete;
  Ends& operator=(const Ends&) = delete;
  int ours() const { return fds[0]; }
  void send() const { EXPECT_EQ(::write(fds[1], "x", 1), 1); }
  void receive() const {
    char byte;
    EXPECT_EQ(::read(fds[0], &byte, 1), 1);
  }
  void fill() const {
    const std::vector<char> bytes(4096);
    while (::send(fds[0], bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }
  void drain() const {
    std::vector<char> bytes(4096);
    while (::recv(fds[1], bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
  }
  int fds[2] = {-1, -1};
};

class ForeignWaitsOn : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "epoll") reactor_ = std::make_unique<EpollReactor>();
#if defined(WEFT_HAVE_URING)
    if (GetParam() == "epoll") return;
    if (support::on_valgrind()) GTEST_SKIP() << "it takes a sleep in a ring for a short call";
    try {
      reactor_ = std::make_unique<UringReactor>(1);
    } catch (const std::system_error& error) {
      GTEST_SKIP() << "the kernel grants no io_uring: " << error.what();
    }
#endif
  }

  Wake wait(int fd, short events, Nanos deadline = kNever) {
    pollfd item{fd, events, 0};
    return wait({&item, 1}, deadline);
  }
  Wake wait(std::span<pollfd> items, Nanos deadline = kNever) {
    return reactor_->foreign_waits().wait(items, deadline);
  }
  // Wakes whom it reports within the time: how many.
  std::size_t poll(Nanos span) {
    std::vector<Ready> ready;
    EXPECT_TRUE(reactor_->acquire(kWorker));
    reactor_->poll(kWorker, span == 0 ? 0 : now() + span, ready);
    reactor_->release(kWorker);
    for (const Ready& one : ready) wake(one.token, one.reason);
    return ready.size();
  }
  void poll_until_somebody_wakes() {
    const Nanos deadline = now() + 20'000 * kMillisecond;
    while (poll(100 * kMillisecond) == 0) ASSERT_LT(now(), deadline);
  }

  std::unique_ptr<Reactor> reactor_;
};

TEST_P(ForeignWaitsOn, AreActiveOnceAskedFor) {
  EXPECT_FALSE(reactor_->active());
  reactor_->foreign_waits();
  EXPECT_TRUE(reactor_->active());
}

TEST_P(ForeignWaitsOn, EndWhenItIsReady) {
  const Ends ends;
  for (int i = 0; i < 3; ++i) {
    const support::WaitingThread reader(
        [&] { EXPECT_EQ(wait(ends.ours(), POLLIN), Wake::kNormal); });
    reader.until_asleep();
    ends.send();
    poll_until_somebody_wakes();
    ends.receive();
  }
}

TEST_P(ForeignWaitsOn, EndWhenItWasReadyBefore) {
  const Ends ends;
  ends.send();
  for (int i = 0; i < 3; ++i) {
    const support::WaitingThread reader(
        [&] { EXPECT_EQ(wait(ends.ours(), POLLIN), Wake::kNormal); });
    poll_until_somebody_wakes();
  }
}

TEST_P(ForeignWaitsOn, EachDirectionHasItsOwn) {
  const Ends ends;
  ends.fill();
  const support::WaitingThread writer(
      [&] { EXPECT_EQ(wait(ends.ours(), POLLOUT), Wake::kNormal); });
  writer.until_asleep();
  {
    const support::WaitingThread reader(
        [&] { EXPECT_EQ(wait(ends.ours(), POLLIN), Wake::kNormal); });
    reader.until_asleep();
    ends.send();
    poll_until_somebody_wakes();
  }
  EXPECT_TRUE(writer.token().fiber->word.waiting()) << "what came concerned the reader";
  ends.drain();
  poll_until_somebody_wakes();
}

TEST_P(ForeignWaitsOn, AllWhoWaitForTheSameAreTold) {
  const Ends ends;
  const support::WaitingThread one([&] { EXPECT_EQ(wait(ends.ours(), POLLIN), Wake::kNormal); });
  one.until_asleep();  // both stand for the same worker
  const support::WaitingThread other([&] { EXPECT_EQ(wait(ends.ours(), POLLIN), Wake::kNormal); });
  other.until_asleep();
  ends.send();
  std::size_t woken = 0;
  for (int i = 0; i < 100 && woken < 2; ++i) woken += poll(100 * kMillisecond);
  EXPECT_EQ(woken, 2U);
}

TEST_P(ForeignWaitsOn, EndWithTheFirstOfMany) {
  const std::array<Ends, 20> many;
  std::vector<pollfd> items;
  for (const Ends& ends : many) items.push_back({ends.ours(), POLLIN, 0});
  items.push_back({-1, POLLIN, 0});
  const support::WaitingThread reader([&] { EXPECT_EQ(wait(items), Wake::kNormal); });
  reader.until_asleep();
  many[13].send();
  poll_until_somebody_wakes();
}

TEST_P(ForeignWaitsOn, OfOneDescriptorTwiceInAList) {
  const Ends ends;
  std::array<pollfd, 2> items = {pollfd{ends.ours(), POLLIN, 0}, pollfd{ends.ours(), POLLPRI, 0}};
  const support::WaitingThread reader([&] { EXPECT_EQ(wait(items), Wake::kNormal); });
  reader.until_asleep();
  ends.send();
  poll_until_somebody_wakes();
}

TEST_P(ForeignWaitsOn, EndAtTheDeadline) {
  const Ends ends;
  const Nanos deadline = now() + 3 * kMillisecond;
  EXPECT_EQ(wait(ends.ours(), POLLIN, deadline), Wake::kTimeout);
  EXPECT_GE(now(), deadline);
  // What is armed still concerns nobody.
  ends.send();
  EXPECT_EQ(poll(kMillisecond), 0U);
}

TEST_P(ForeignWaitsOn, AreToldOfTheOtherSidesEnd) {
  Ends ends;
  const support::WaitingThread reader(
      [&] { EXPECT_EQ(wait(ends.ours(), POLLPRI), Wake::kNormal); });
  reader.until_asleep();
  ::close(ends.fds[1]);
  ends.fds[1] = -1;
  poll_until_somebody_wakes();
}

TEST_P(ForeignWaitsOn, AreToldWhatHasHappened) {
  Ends ends;
  pollfd item{ends.ours(), POLLIN | POLLPRI, 0};
  EXPECT_EQ(wait({&item, 1}, now() + kMillisecond), Wake::kTimeout);
  EXPECT_EQ(item.revents, 0);
  const support::WaitingThread reader([&] { EXPECT_EQ(wait({&item, 1}), Wake::kNormal); });
  reader.until_asleep();
  ends.send();
  poll_until_somebody_wakes();
  EXPECT_EQ(item.revents, POLLIN);
}

TEST_P(ForeignWaitsOn, AreToldOfTheClosing) {
  const Ends ends;
  pollfd item{ends.ours(), POLLIN, 0};
  {
    const support::WaitingThread reader([&] { EXPECT_EQ(wait({&item, 1}), Wake::kClosed); });
    reader.until_asleep();
    { const ForeignWaits::Closing closing(ends.fds[1]); }
    EXPECT_TRUE(reader.token().fiber->word.waiting()) << "that was another";
    const ForeignWaits::Closing closing(ends.ours());
  }
  EXPECT_EQ(item.revents, POLLNVAL);
  const support::WaitingThread again([&] { EXPECT_EQ(wait({&item, 1}), Wake::kClosed); });
  again.until_asleep();
  const ForeignWaits::Closing closing(static_cast<unsigned>(ends.ours()), ~0U);
}

// The kernel does not watch it.
TEST_P(ForeignWaitsOn, OfAFileThatNeverBlocksAreOverUnlessItHasNothingToTell) {
  const OwnedFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const short events : {POLLIN, POLLOUT, POLLRDNORM, POLLOUT | POLLPRI}) {
    EXPECT_EQ(wait(null.get(), events, now() + kMillisecond), Wake::kNormal) << events;
  }
  for (const short events : {POLLPRI, POLLRDHUP, 0}) {
    EXPECT_EQ(wait(null.get(), events, now() + kMillisecond), Wake::kTimeout) << events;
  }
}

// Who comes between the moment when the others were told and the call that closes.
TEST_P(ForeignWaitsOn, LookAgainWhileANumberIsBeingClosed) {
  const Ends ends;
  const ForeignWaits::Closing closing(ends.ours());
  EXPECT_EQ(wait(ends.ours(), POLLIN), Wake::kNormal) << "for ever, without a look";
  const ForeignWaits::Closing others(static_cast<unsigned>(ends.fds[1]), ~0U);
  EXPECT_EQ(wait(ends.fds[1], POLLIN), Wake::kNormal);
}

// Nobody says that the number is closed, and soon it is another file's.
TEST_P(ForeignWaitsOn, FindTheFileThatHasTheNumberNow) {
  Ends ends;
  EXPECT_EQ(wait(ends.ours(), POLLIN, now() + kMillisecond), Wake::kTimeout);
  const int number = ends.ours();
  const Ends others;
  ASSERT_EQ(::dup2(others.ours(), number), number);
  const support::WaitingThread reader([&] { EXPECT_EQ(wait(number, POLLIN), Wake::kNormal); });
  reader.until_asleep();
  others.send();
  poll_until_somebody_wakes();
}

TEST_P(ForeignWaitsOn, AreToldThroughADuplicateWhoseOriginalIsClosed) {
  Ends ends;
  EXPECT_EQ(wait(ends.ours(), POLLIN, now() + kMillisecond), Wake::kTimeout);
  const int copy = ::dup(ends.ours());
  ::close(ends.fds[0]);
  ends.fds[0] = copy;
  const support::WaitingThread reader([&] { EXPECT_EQ(wait(copy, POLLIN), Wake::kNormal); });
  reader.until_asleep();
  ends.send();
  poll_until_somebody_wakes();
}

TEST_P(ForeignWaitsOn, AreNoneForWhatNeverBlocksOrIsClosed) {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(file, 0);
  EXPECT_EQ(wait(file, POLLIN), Wake::kNormal);
  ::close(file);
  EXPECT_EQ(wait(file, POLLIN), Wake::kNormal);
}

TEST_P(ForeignWaitsOn, RefuseNumbersThatNobodyHas) {
  EXPECT_THROW(wait(1 << 30, POLLIN), std::system_error);
}

#if defined(WEFT_HAVE_URING)
const auto kDrivers = testing::Values("epoll", "uring");
#else
const auto kDrivers = testing::Values("epoll");
#endif

INSTANTIATE_TEST_SUITE_P(, ForeignWaitsOn, kDrivers, [](const auto& about) { return about.param; });

}  // namespace
}  // namespace weft::detail
