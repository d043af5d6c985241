// Goal: what is queued reaches the kernel, in order and however much it is; what ends is told once;
// sleeps end in time and when interrupted. Method: one ring, real operations, plain threads.

#include "reactor/uring_ring.h"

#include <gtest/gtest.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <set>
#include <span>
#include <thread>
#include <vector>

#include "support/valgrind.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

constexpr unsigned kEntries = 8;
constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kLong = 20'000 * kMillisecond;
constexpr std::uint64_t kFirst = 16;  // below are the ring's own

void push_nop(Ring& ring, std::uint64_t name) {
  ASSERT_EQ(ring.push([&](io_uring_sqe& entry) {
    io_uring_prep_nop(&entry);
    entry.user_data = name;
  }),
            0);
}

void push_nop_from_elsewhere(Ring& ring, std::uint64_t name) {
  ring.push_now([&](io_uring_sqe& entry) {
    io_uring_prep_nop(&entry);
    entry.user_data = name;
  });
}

void push_receive(Ring& ring, int fd, std::span<char> into, std::uint64_t name) {
  ASSERT_EQ(ring.push([&](io_uring_sqe& entry) {
    io_uring_prep_recv(&entry, fd, into.data(), into.size(), 0);
    entry.user_data = name;
  }),
            0);
}

struct Told {
  std::uint64_t name;
  int result;
};

std::vector<Told> reap(Ring& ring, unsigned most = 1000) {
  std::vector<Told> told;
  ring.reap(most, [&](std::uint64_t name, Completion end) { told.push_back({name, end.result}); });
  return told;
}

// Until `count` have ended.
std::vector<Told> reap_all(Ring& ring, std::size_t count) {
  std::vector<Told> all;
  const Nanos until = now() + kLong;
  while (all.size() < count && now() < until) {
    ring.wait(until);
    for (const Told& told : reap(ring)) all.push_back(told);
  }
  return all;
}

struct Pair {
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0); }
  ~Pair() {
    for (const int fd : fds) ::close(fd);
  }
  int fds[2];
};

class RingQueue : public testing::Test {
 protected:
  void SetUp() override {
    if (support::on_valgrind()) GTEST_SKIP() << "Valgrind takes a sleep in a ring for a short call";
  }
};
class RingSleep : public RingQueue {};

TEST_F(RingQueue, TellsTheEndOfWhatWasPushed) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  push_nop(ring, kFirst);
  EXPECT_TRUE(ring.busy());
  const auto told = reap_all(ring, 1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].name, kFirst);
  EXPECT_FALSE(ring.busy());
}

TEST_F(RingQueue, TakesMoreThanItHasEntries) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  constexpr std::uint64_t kMany = 1000;
  std::set<std::uint64_t> names;
  for (std::uint64_t i = 0; i < kMany; ++i) push_nop(ring, kFirst + i);
  for (const Told& told : reap_all(ring, kMany)) names.insert(told.name);
  EXPECT_EQ(names.size(), kMany) << "more ended than there is room for: the kernel keeps them";
  EXPECT_FALSE(ring.busy());
}

TEST_F(RingQueue, ReapsNoMoreThanItIsAskedTo) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  for (std::uint64_t i = 0; i < 5; ++i) push_nop(ring, kFirst + i);
  ring.wait(0);
  EXPECT_EQ(reap(ring, 2).size(), 2U);
  EXPECT_TRUE(ring.has_news());
  EXPECT_EQ(reap(ring, 2).size(), 2U);
  EXPECT_EQ(reap(ring, 2).size(), 1U);
  EXPECT_FALSE(ring.has_news());
}

TEST_F(RingQueue, HandsOverABatchByItself) {
  Ring ring(Ring::Kind::kSleptIn, 256);
  const Pair pair;
  std::array<char, 8> buffer;
  push_receive(ring, pair.fds[0], buffer, kFirst);
  for (std::uint64_t i = 1; i < 32; ++i) push_nop(ring, kFirst + i);
  ASSERT_EQ(::write(pair.fds[1], "x", 1), 1);
  // No wait(): the kernel finishes on this thread's next way through it.
  EXPECT_EQ(reap(ring).size(), 32U);
}

TEST_F(RingQueue, AnswersThatNobodyWantsAreNotTold) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  push_nop(ring, Ring::kNobody);
  EXPECT_FALSE(ring.busy());
  ring.wait(0);
  EXPECT_TRUE(reap(ring).empty());
}

TEST_F(RingSleep, EndsAtItsDeadlineAndNotBefore) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  for (const Nanos span : {Nanos{300'000}, kMillisecond, 3 * kMillisecond + 100'000}) {
    const Nanos deadline = now() + span;
    while (now() < deadline) {
      ring.wait(deadline);
      const auto told = reap(ring);
      ASSERT_TRUE(told.empty());
    }
    EXPECT_LT(now(), deadline + kLong);
  }
}

TEST_F(RingSleep, LastsUntilItsDeadline) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  ring.wait(now() + 1);  // which has the watch of the eventfd set up
  reap(ring);
  const Nanos deadline = now() + 5 * kMillisecond;
  ring.wait(deadline);
  EXPECT_GE(now(), deadline);
}

TEST_F(RingSleep, EndsWhenInterruptedBeforeOrMeanwhile) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  ring.interrupt();
  ring.wait(kNever);
  reap(ring);
  for (int i = 0; i < 100; ++i) {
    std::jthread other([&] { ring.interrupt(); });
    ring.wait(kNever);
    reap(ring);
  }
}

TEST_F(RingSleep, EndsWhenAnotherThreadsOperationEnds) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  std::jthread other([&] { push_nop_from_elsewhere(ring, kFirst); });
  EXPECT_EQ(reap_all(ring, 1).size(), 1U);
}

TEST_F(RingSleep, EndsWithWhatThePeerSends) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  const Pair pair;
  std::array<char, 8> buffer;
  push_receive(ring, pair.fds[0], buffer, kFirst);
  std::jthread other([&] { EXPECT_EQ(::write(pair.fds[1], "hello", 5), 5); });
  const auto told = reap_all(ring, 1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].result, 5);
}

// What a thread has submitted the kernel does not finish when that thread has ended, but fails:
// whoever pushed must know.
TEST_F(RingQueue, OperationsFailWhoseSubmitterHasEnded) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  const Pair pair;
  std::array<char, 8> buffer;
  std::thread([&] {
    push_receive(ring, pair.fds[0], buffer, kFirst);
    EXPECT_EQ(ring.flush(), 0);
  }).join();
  ASSERT_EQ(::write(pair.fds[1], "x", 1), 1);
  const auto told = reap_all(ring, 1);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_TRUE(told[0].result == -ECANCELED || told[0].result == -EFAULT) << told[0].result;
}

TEST_F(RingQueue, HasOneSeat) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  EXPECT_TRUE(ring.take_seat());
  EXPECT_FALSE(ring.take_seat());
  ring.leave_seat();
  EXPECT_TRUE(ring.take_seat());
}

// Others hand over what they queue: the owner may sleep already. The owner need not, before it
// sleeps.
TEST_F(RingQueue, ManyThreadsPushAtOnceAndNothingIsLost) {
  Ring ring(Ring::Kind::kSleptIn, kEntries);
  constexpr std::uint64_t kOthers = 3;
  constexpr std::uint64_t kEach = 5000;
  std::set<std::uint64_t> names;
  const auto note = [&](const std::vector<Told>& all) {
    for (const Told& told : all) names.insert(told.name);
  };
  {
    std::vector<std::jthread> others;
    for (std::uint64_t t = 1; t <= kOthers; ++t) {
      others.emplace_back([&ring, t] {
        for (std::uint64_t i = 0; i < kEach; ++i) {
          push_nop_from_elsewhere(ring, kFirst + t * kEach + i);
        }
      });
    }
    for (std::uint64_t i = 0; i < kEach; ++i) {
      push_nop(ring, kFirst + i);
      note(reap(ring));
    }
    note(reap_all(ring, (kOthers + 1) * kEach - names.size()));
  }
  EXPECT_EQ(names.size(), (kOthers + 1) * kEach);
}

}  // namespace
}  // namespace weft::detail
