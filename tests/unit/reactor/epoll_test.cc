// Goal: what the kernel reports reaches whoever waits for it, once and with the right generation;
// sleeps end in time and when interrupted; a call that must fail is not made. Method: one reactor
// without a scheduler. Plain threads call its operations, the test polls and wakes; sockets are
// real.

#include "reactor/epoll.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "support/descriptor_pair.h"
#include "support/polled.h"
#include "support/waiting_thread.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::poll_and_wake;

constexpr unsigned kWorker = 0;
constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kLong = 20'000 * kMillisecond;

using Pair = support::DescriptorPair;

IoResult receive(EpollReactor& reactor, const Descriptor& from, std::string& text) {
  std::array<char, 16> buffer;
  const IoResult result = reactor.receive(from, std::as_writable_bytes(std::span(buffer)));
  text.assign(buffer.data(), result.count);
  return result;
}

void poll_until_somebody_wakes(EpollReactor& reactor) {
  const Nanos deadline = now() + kLong;
  while (poll_and_wake(reactor, deadline) == 0) ASSERT_LT(now(), deadline);
}

// Leaves nothing that is known to be ready, and all of it watched.
void settle(EpollReactor& reactor, const Pair& pair) {
  std::string text;
  const support::WaitingThread reader([&] { receive(reactor, pair.ours, text); });
  reader.until_asleep();
  pair.send("x");
  poll_until_somebody_wakes(reactor);
}

class EpollSleep : public testing::TestWithParam<bool> {
 protected:
  EpollReactor reactor_{GetParam()};
};

TEST_P(EpollSleep, EndsAtItsDeadlineAndNotBefore) {
  for (const Nanos span : {Nanos{300'000}, kMillisecond, 3 * kMillisecond + 100'000}) {
    const Nanos deadline = now() + span;
    EXPECT_EQ(poll_and_wake(reactor_, deadline), 0U);
    EXPECT_GE(now(), deadline);
  }
}

TEST_P(EpollSleep, IsNoneForADeadlineThatHasPassed) {
  const Nanos start = now();
  for (int i = 0; i < 100; ++i) {
    poll_and_wake(reactor_, 0);
    poll_and_wake(reactor_, 1);
    poll_and_wake(reactor_, start);
  }
  EXPECT_LT(now() - start, kLong / 20);
}

TEST_P(EpollSleep, EndsWhenInterruptedBeforeOrMeanwhile) {
  reactor_.interrupt(kWorker);
  poll_and_wake(reactor_, kNever);
  std::jthread other([this] { reactor_.interrupt(kWorker); });
  poll_and_wake(reactor_, kNever);
}

TEST_P(EpollSleep, ManyInterruptionsCountAsOne) {
  for (int i = 0; i < 3; ++i) reactor_.interrupt(kWorker);
  poll_and_wake(reactor_, kNever);
  const Nanos deadline = now() + kMillisecond;
  poll_and_wake(reactor_, deadline);
  EXPECT_GE(now(), deadline);
}

INSTANTIATE_TEST_SUITE_P(Precision, EpollSleep, testing::Bool(), [](const auto& about) {
  return about.param ? "Nanoseconds" : "Milliseconds";
});

TEST(Epoll, OnePollsAtATime) {
  EpollReactor reactor;
  EXPECT_TRUE(reactor.acquire(0));
  EXPECT_FALSE(reactor.acquire(1));
  reactor.release(0);
  EXPECT_TRUE(reactor.acquire(1));
  reactor.release(1);
}

TEST(Epoll, IsActiveWhileItWatchesADescriptor) {
  EpollReactor reactor;
  {
    Pair pair;
    EXPECT_FALSE(reactor.active());
    settle(reactor, pair);
    EXPECT_TRUE(reactor.active());
  }
  EXPECT_FALSE(reactor.active());
}

TEST(Epoll, WaitsUntilThereIsSomethingToReceive) {
  EpollReactor reactor;
  const Pair pair;
  std::string text;
  {
    const support::WaitingThread reader([&] { receive(reactor, pair.ours, text); });
    reader.until_asleep();
    pair.send("hello");
    poll_until_somebody_wakes(reactor);
  }
  EXPECT_EQ(text, "hello");
}

TEST(Epoll, ReportsWhatCameBeforeTheDescriptorWasAdded) {
  EpollReactor reactor;
  const Pair pair;
  FdEntry& entry = *FdTable::instance().find(pair.ours.fd());
  pair.send("early");
  entry.note_unready(Direction::kRead, entry.readiness(Direction::kRead));
  std::string text;
  {
    const support::WaitingThread reader([&] { receive(reactor, pair.ours, text); });
    reader.until_asleep();
    poll_until_somebody_wakes(reactor);
  }
  EXPECT_EQ(text, "early");
}

TEST(Epoll, ShortReceiveLeavesTheDirectionUnready) {
  EpollReactor reactor;
  const Pair pair;
  std::string text;
  pair.send("0123456789abcdef+");
  receive(reactor, pair.ours, text);
  EXPECT_EQ(text, "0123456789abcdef");
  EXPECT_TRUE(pair.readiness(Direction::kRead).ready())
      << "the buffer was filled: there may be more";
  receive(reactor, pair.ours, text);
  EXPECT_EQ(text, "+");
  EXPECT_FALSE(pair.readiness(Direction::kRead).ready()) << "the next call would fail";
}

TEST(Epoll, AfterAHangUpAShortReceiveLeavesItReady) {
  EpollReactor reactor;
  Pair pair;
  settle(reactor, pair);
  pair.send("last");
  pair.hang_up();
  poll_and_wake(reactor, now() + kLong);
  std::string text;
  EXPECT_EQ(receive(reactor, pair.ours, text).count, 4U);
  ASSERT_TRUE(pair.readiness(Direction::kRead).ready()) << "no further edge will come";
  EXPECT_EQ(receive(reactor, pair.ours, text).count, 0U);
  EXPECT_EQ(receive(reactor, pair.ours, text).count, 0U) << "the end stays the end";
}

TEST(Epoll, SenderWaitsForRoomAndSendsOn) {
  EpollReactor reactor;
  const Pair pair;
  const std::string block(std::size_t{64} * 1024, 'b');
  const iovec part{const_cast<char*>(block.data()), block.size()};
  constexpr std::size_t kTotal = std::size_t{4} * 1024 * 1024;
  std::atomic<bool> done{false};
  std::size_t sent = 0, received = 0;
  {
    const support::WaitingThread writer([&] {
      while (sent < kTotal) sent += reactor.send(pair.ours, {&part, 1}).count;
      done = true;
    });
    std::vector<char> sink(block.size());
    for (bool last = false; !last;) {
      last = done;
      const ssize_t count = ::recv(pair.peer, sink.data(), sink.size(), 0);
      if (count < 0) poll_and_wake(reactor, now() + kMillisecond);
      received += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
      last = last && count < 0;
    }
  }
  EXPECT_EQ(sent, received);
}

TEST(Epoll, PartsAreSentInOrder) {
  EpollReactor reactor;
  const Pair pair;
  char one[] = "one,", two[] = "two";
  const iovec parts[] = {{one, 4}, {two, 3}};
  EXPECT_EQ(reactor.send(pair.ours, parts).count, 7U);
  std::array<char, 16> buffer{};
  EXPECT_EQ(::recv(pair.peer, buffer.data(), buffer.size(), 0), 7);
  EXPECT_STREQ(buffer.data(), "one,two");
}

TEST(Epoll, SendToNobodyIsAnErrorAndNoSignal) {
  EpollReactor reactor;
  Pair pair;
  pair.hang_up();
  char byte = 'b';
  const iovec parts[] = {{&byte, 1}, {&byte, 1}};
  EXPECT_EQ(reactor.send(pair.ours, {parts, 1}).error, EPIPE);
  EXPECT_EQ(reactor.send(pair.ours, parts).error, EPIPE);
}

TEST(Epoll, ClosedDescriptorIsRefused) {
  EpollReactor reactor;
  Pair pair;
  pair.ours.close();
  std::string text;
  EXPECT_EQ(receive(reactor, pair.ours, text).error, EBADF);
}

TEST(Epoll, CloseEndsAWait) {
  EpollReactor reactor;
  Pair pair;
  IoResult result;
  {
    std::string text;
    const support::WaitingThread reader([&] { result = receive(reactor, pair.ours, text); });
    reader.until_asleep();
    pair.ours.close();
  }
  EXPECT_EQ(result.error, ECANCELED);
}

// The kernel goes on reporting a file that a duplicate keeps open, under the number it was added
// with.
TEST(Epoll, EventOfAFormerOwnerOfTheNumberIsIgnored) {
  EpollReactor reactor;
  Pair former;
  settle(reactor, former);
  const int fd = former.ours.fd();
  const int duplicate = ::dup(fd);
  former.ours.close();
  Pair next;
  ASSERT_EQ(next.ours.fd(), fd);
  FdEntry& entry = *FdTable::instance().find(fd);
  entry.note_unready(Direction::kRead, entry.readiness(Direction::kRead));
  former.send("for nobody");
  poll_and_wake(reactor, now() + kMillisecond);
  EXPECT_FALSE(next.readiness(Direction::kRead).ready());
  ::close(duplicate);
}

TEST(Epoll, DescriptorMayMoveBetweenReactors) {
  EpollReactor first, second;
  const Pair pair;
  for (EpollReactor* reactor : {&first, &second, &first, &second}) {
    std::string text;
    {
      const support::WaitingThread reader([&] { receive(*reactor, pair.ours, text); });
      reader.until_asleep();
      pair.send("here");
      poll_until_somebody_wakes(*reactor);
    }
    EXPECT_EQ(text, "here");
  }
}

TEST(Epoll, DescriptorOutlivesItsReactor) {
  const Pair pair;
  {
    EpollReactor reactor;
    settle(reactor, pair);
  }
  EXPECT_TRUE(pair.ours.is_open());
}

class EpollConnect : public testing::Test {
 protected:
  EpollConnect() : listener_(new_socket()) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_.fd(), any(), sizeof(address_)), 0);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(::getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address_), &size), 0);
  }
  static int new_socket() {
    return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  const sockaddr* any() const { return reinterpret_cast<const sockaddr*>(&address_); }

  EpollReactor reactor_;
  Descriptor listener_;
  sockaddr_in address_{};
};

TEST_F(EpollConnect, ConnectsAndAccepts) {
  ASSERT_EQ(::listen(listener_.fd(), 8), 0);
  const Descriptor client(new_socket());
  sockaddr_in from{};
  IoResult accepted, connected;
  std::atomic<int> done{0};
  {
    const support::WaitingThread acceptor([&] {
      socklen_t size = sizeof(from);
      accepted = reactor_.accept(listener_, reinterpret_cast<sockaddr*>(&from), size);
      ++done;
    });
    acceptor.until_asleep();
    const support::WaitingThread connector([&] {
      connected = reactor_.connect(client, any(), sizeof(address_));
      ++done;
    });
    while (done < 2) poll_and_wake(reactor_, now() + kMillisecond);
  }
  EXPECT_EQ(connected.error, 0);
  ASSERT_EQ(accepted.error, 0);
  const Descriptor server(static_cast<int>(accepted.count));
  sockaddr_in local{};
  socklen_t size = sizeof(local);
  ASSERT_EQ(::getsockname(client.fd(), reinterpret_cast<sockaddr*>(&local), &size), 0);
  EXPECT_EQ(from.sin_port, local.sin_port);
}

TEST_F(EpollConnect, RefusalIsTheKernelsError) {
  const Descriptor client(new_socket());
  IoResult connected;
  std::atomic<bool> done{false};
  {
    const support::WaitingThread connector([&] {
      connected = reactor_.connect(client, any(), sizeof(address_));
      done = true;
    });
    while (!done) poll_and_wake(reactor_, now() + kMillisecond);
  }
  EXPECT_EQ(connected.error, ECONNREFUSED);
}

}  // namespace
}  // namespace weft::detail
