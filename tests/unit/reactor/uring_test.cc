// Goal: operations that the kernel completes reach their fiber once, with what they transferred;
// one that is to stop returns only when the kernel has let go of its buffer, and loses nothing.
// Method: one reactor without a scheduler. Plain threads call its operations, the test polls and
// wakes; sockets are real.

#include "reactor/uring.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/error.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "support/descriptor_pair.h"
#include "support/polled.h"
#include "support/valgrind.h"
#include "support/waiting_thread.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::poll_and_wake;
using support::Polled;

constexpr unsigned kWorker = 0;
constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kLong = 20'000 * kMillisecond;

using Pair = support::DescriptorPair;

IoResult receive(UringReactor& reactor, const Descriptor& from, std::string& text) {
  std::array<char, 16> buffer;
  const IoResult result = reactor.receive(from, std::as_writable_bytes(std::span(buffer)));
  text.assign(buffer.data(), result.count);
  return result;
}

class Uring : public testing::Test {
 protected:
  void SetUp() override {
    if (support::on_valgrind()) GTEST_SKIP() << "Valgrind takes a sleep in a ring for a short call";
  }
};

TEST_F(Uring, WaitsUntilThereIsSomethingToReceive) {
  UringReactor reactor(1);
  const Pair pair;
  std::string text;
  {
    Polled reader(reactor, [&] { receive(reactor, pair.ours, text); });
    reader.until_asleep();
    pair.send("hello");
  }
  EXPECT_EQ(text, "hello");
}

TEST_F(Uring, IsActiveWhileAnOperationIsUnderWay) {
  UringReactor reactor(1);
  const Pair pair;
  EXPECT_FALSE(reactor.active());
  std::string text;
  {
    Polled reader(reactor, [&] { receive(reactor, pair.ours, text); });
    reader.until_asleep();
    EXPECT_TRUE(reactor.active());
    pair.send("x");
  }
  EXPECT_FALSE(reactor.active());
}

TEST_F(Uring, ReceivesWhatIsThereWithoutWaiting) {
  UringReactor reactor(1);
  const Pair pair;
  pair.send("there");
  std::string text;
  EXPECT_EQ(receive(reactor, pair.ours, text).count, 5U);
  EXPECT_FALSE(reactor.active());
}

TEST_F(Uring, TellsTheEndOfTheStream) {
  UringReactor reactor(1);
  Pair pair;
  IoResult result{.error = -1, .count = 99};
  {
    std::string text;
    Polled reader(reactor, [&] { result = receive(reactor, pair.ours, text); });
    reader.until_asleep();
    pair.hang_up();
  }
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(result.count, 0U);
}

TEST_F(Uring, SendsAndSendsOnWhenThereIsRoomAgain) {
  UringReactor reactor(1);
  const Pair pair;
  const std::string block(std::size_t{256} * 1024, 'b');
  const iovec part{const_cast<char*>(block.data()), block.size()};
  constexpr std::size_t kTotal = std::size_t{4} * 1024 * 1024;
  std::size_t sent = 0, received = 0;
  {
    Polled writer(reactor, [&] {
      while (sent < kTotal) sent += reactor.send(pair.ours, {&part, 1}).count;
    });
    std::vector<char> sink(block.size());
    while (!writer.ended()) {
      const ssize_t count = ::recv(pair.peer, sink.data(), sink.size(), 0);
      if (count > 0) received += static_cast<std::size_t>(count);
      poll_and_wake(reactor, now() + kMillisecond);
    }
    for (ssize_t count; (count = ::recv(pair.peer, sink.data(), sink.size(), 0)) > 0;) {
      received += static_cast<std::size_t>(count);
    }
  }
  EXPECT_GE(sent, kTotal);
  EXPECT_EQ(sent, received);
}

TEST_F(Uring, SendToNobodyIsAnErrorAndNoSignal) {
  UringReactor reactor(1);
  Pair pair;
  pair.hang_up();
  char byte = 'b';
  const iovec parts[] = {{&byte, 1}, {&byte, 1}};
  int one = 0, two = 0;
  {
    Polled writer(reactor, [&] {
      one = reactor.send(pair.ours, {parts, 1}).error;
      two = reactor.send(pair.ours, parts).error;
    });
  }
  EXPECT_EQ(one, EPIPE);
  EXPECT_EQ(two, EPIPE);
}

TEST_F(Uring, CloseEndsAWaitAndTheKernelLetsGo) {
  UringReactor reactor(1);
  Pair pair;
  IoResult result;
  {
    std::string text;
    Polled reader(reactor, [&] { result = receive(reactor, pair.ours, text); });
    reader.until_asleep();
    poll_and_wake(reactor, 0);  // hands it over
    pair.ours.close();
  }
  EXPECT_EQ(result.error, ECANCELED);
  EXPECT_FALSE(reactor.active());
}

TEST_F(Uring, ClosedDescriptorIsRefused) {
  UringReactor reactor(1);
  Pair pair;
  pair.ours.close();
  std::string text;
  EXPECT_EQ(receive(reactor, pair.ours, text).error, EBADF);
}

TEST_F(Uring, CancelledWaitTakesNothingAndLeavesNothingUnderWay) {
  UringReactor reactor(1);
  const Pair pair;
  bool cancelled = false;
  {
    std::string text;
    Polled reader(reactor, [&] {
      try {
        receive(reactor, pair.ours, text);
      } catch (const Cancelled&) {
        cancelled = true;
      }
    });
    reader.until_asleep();
    poll_and_wake(reactor, 0);
    wake(reader.token(), Wake::kCancelled);
  }
  EXPECT_TRUE(cancelled);
  EXPECT_FALSE(reactor.active());
  std::string text;
  {
    Polled reader(reactor, [&] { receive(reactor, pair.ours, text); });
    pair.send("later");
  }
  EXPECT_EQ(text, "later");
}

// The kernel has received by the time the cancellation comes: what it took is not lost.
TEST_F(Uring, CancelledTooLateItTellsWhatHasHappened) {
  UringReactor reactor(1);
  const Pair pair;
  std::string text;
  bool cancelled = false;
  {
    Polled reader(reactor, [&] {
      try {
        receive(reactor, pair.ours, text);
      } catch (const Cancelled&) {
        cancelled = true;
      }
    });
    reader.until_asleep();
    poll_and_wake(reactor, 0);
    pair.send("taken");
    // Into the kernel and out, on which occasion it receives; nobody has reaped that yet.
    ::usleep(1000);
    std::vector<Ready> unseen;
    reactor.take_over(kWorker, unseen);
    ASSERT_EQ(unseen.size(), 1U);
    wake(reader.token(), Wake::kCancelled);
  }
  EXPECT_FALSE(cancelled);
  EXPECT_EQ(text, "taken");
}

TEST_F(Uring, AnOperationOutlivesTheThreadThatHandedItOver) {
  UringReactor reactor(1);
  const Pair pair;
  std::string text;
  {
    Polled reader(reactor, [&] { receive(reactor, pair.ours, text); });
    reader.until_asleep();
    // Any thread that enters the ring hands over all that is queued, and the kernel cancels it when
    // that thread ends.
    std::thread([&] { poll_and_wake(reactor, 0); }).join();
    pair.send("still");
  }
  EXPECT_EQ(text, "still");
}

TEST_F(Uring, TakesOverWhatAnotherWorkerDoesNotSee) {
  UringReactor reactor(2);
  const Pair pair;
  std::string text;
  {
    const support::WaitingThread reader([&] { receive(reactor, pair.ours, text); });
    reader.until_asleep();
    EXPECT_TRUE(reactor.has_waiting(0)) << "it has been queued";
    std::vector<Ready> ready;
    reactor.take_over(0, ready);
    EXPECT_TRUE(ready.empty());
    pair.send("seen");
    const Nanos until = now() + kLong;
    while (ready.empty() && now() < until) reactor.take_over(0, ready);
    ASSERT_EQ(ready.size(), 1U);
    wake(ready[0].token, ready[0].reason);
  }
  EXPECT_EQ(text, "seen");
}

TEST_F(Uring, WaitReadyTakesNothing) {
  UringReactor reactor(1);
  const Pair pair;
  IoResult result{.error = -1};
  {
    Polled waiter(reactor, [&] { result = reactor.wait_ready(pair.ours, Direction::kRead); });
    waiter.until_asleep();
    pair.send("left");
  }
  EXPECT_EQ(result.error, 0);
  std::string text;
  receive(reactor, pair.ours, text);
  EXPECT_EQ(text, "left");
}

TEST_F(Uring, DescriptorMayMoveBetweenReactors) {
  UringReactor first(1), second(1);
  const Pair pair;
  for (UringReactor* reactor : {&first, &second, &first, &second}) {
    std::string text;
    {
      Polled reader(*reactor, [&] { receive(*reactor, pair.ours, text); });
      reader.until_asleep();
      pair.send("here");
    }
    EXPECT_EQ(text, "here");
  }
}

TEST_F(Uring, HoldsFarMoreOperationsThanItHasEntries) {
  UringReactor reactor(1);
  constexpr std::size_t kMany = 300;  // Valgrind has no more than 500 threads
  std::vector<Pair> pairs(kMany);
  std::atomic<std::size_t> received{0};
  {
    std::vector<std::unique_ptr<support::WaitingThread>> readers;
    for (const Pair& pair : pairs) {
      readers.push_back(std::make_unique<support::WaitingThread>([&] {
        std::string text;
        receive(reactor, pair.ours, text);
        if (text == "x") ++received;
      }));
    }
    for (const auto& reader : readers) reader->until_asleep();
    for (const Pair& pair : pairs) pair.send("x");
    const Nanos until = now() + kLong;
    while (received < kMany && now() < until) poll_and_wake(reactor, now() + kMillisecond);
  }
  EXPECT_EQ(received, kMany);
}

}  // namespace
}  // namespace weft::detail
