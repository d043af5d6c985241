// Goal: a number is closed exactly once and only when nobody uses it, no event is lost or reaches
// the wrong generation, and nobody sleeps through an event or a close. Method: real descriptors
// without any reactor; the events are posted by hand, the waiters are plain threads.

#include "reactor/fd_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mutex>
#include <system_error>
#include <vector>

#include "support/waiting_thread.h"

namespace weft::detail {
namespace {

constexpr FdEvent kReadable{.readable = true};

int new_fd() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  EXPECT_GE(fd, 0);
  return fd;
}

bool is_open_in_kernel(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

// An entry as its user sees it.
struct Opened {
  Opened() : fd(new_fd()), entry(FdTable::instance().entry(fd)), generation(entry.open()) {}
  ~Opened() { entry.close(generation); }
  void clear(Direction direction) { entry.note_unready(direction, entry.readiness(direction)); }
  std::vector<Ready> post(FdEvent event) {
    std::vector<Ready> woken;
    entry.post(generation, event, woken);
    return woken;
  }

  const int fd;
  FdEntry& entry;
  const FdEntry::Generation generation;
};

TEST(FdEntry, OpensWithNothingKnownToBeUnready) {
  Opened opened;
  EXPECT_TRUE(opened.entry.is_open(opened.generation));
  EXPECT_TRUE(opened.entry.readiness(Direction::kRead).ready());
  EXPECT_TRUE(opened.entry.readiness(Direction::kWrite).ready());
  EXPECT_FALSE(opened.entry.readiness(Direction::kRead).hung_up());
}

TEST(FdEntry, ClosesTheNumberWhenTheLastOperationHasLeft) {
  Opened opened;
  ASSERT_TRUE(opened.entry.enter(opened.generation));
  ASSERT_TRUE(opened.entry.enter(opened.generation));
  EXPECT_TRUE(opened.entry.close(opened.generation));
  EXPECT_FALSE(opened.entry.is_open(opened.generation));
  opened.entry.leave(opened.generation);
  EXPECT_TRUE(is_open_in_kernel(opened.fd));
  opened.entry.leave(opened.generation);
  EXPECT_FALSE(is_open_in_kernel(opened.fd));
}

TEST(FdEntry, ClosesTheNumberAtOnceWhenNobodyIsInside) {
  Opened opened;
  EXPECT_TRUE(opened.entry.close(opened.generation));
  EXPECT_FALSE(is_open_in_kernel(opened.fd));
}

TEST(FdEntry, ClosesOnce) {
  Opened opened;
  EXPECT_TRUE(opened.entry.close(opened.generation));
  const Opened next;  // very likely the same number
  EXPECT_FALSE(opened.entry.close(opened.generation));
  EXPECT_TRUE(is_open_in_kernel(next.fd));
}

TEST(FdEntry, LetsNobodyInOnceItIsClosed) {
  Opened opened;
  opened.entry.close(opened.generation);
  EXPECT_FALSE(opened.entry.enter(opened.generation));
}

TEST(FdEntry, EachGenerationLetsInItsOwnOnly) {
  int fd = -1;
  FdEntry::Generation first = 0;
  {
    const Opened opened;
    fd = opened.fd;
    first = opened.generation;
  }
  const Opened again;
  ASSERT_EQ(again.fd, fd) << "the kernel gives the lowest number";
  EXPECT_NE(again.generation, first);
  EXPECT_FALSE(again.entry.enter(first));
  ASSERT_TRUE(again.entry.enter(again.generation));
  again.entry.leave(again.generation);
}

TEST(FdEntry, NumberClosedBehindOurBackBelongsToItsNextOwner) {
  Opened former;
  former.clear(Direction::kRead);
  Wake reason = Wake::kNormal;
  {
    const support::WaitingThread waiter([&] {
      ASSERT_TRUE(former.entry.enter(former.generation));
      reason = former.entry.wait(former.generation, Direction::kRead, nullptr).value();
      former.entry.leave(former.generation);
    });
    waiter.until_asleep();
    ASSERT_EQ(::close(former.fd), 0);
    const Opened next;
    ASSERT_EQ(next.fd, former.fd);
    EXPECT_FALSE(former.entry.close(former.generation));
    EXPECT_TRUE(next.entry.is_open(next.generation));
    EXPECT_TRUE(is_open_in_kernel(next.fd));
  }
  EXPECT_EQ(reason, Wake::kClosed);
}

TEST(FdReadiness, StaysClearUntilAnEvent) {
  Opened opened;
  opened.clear(Direction::kRead);
  EXPECT_FALSE(opened.entry.readiness(Direction::kRead).ready());
  EXPECT_TRUE(opened.entry.readiness(Direction::kWrite).ready());
  opened.post(kReadable);
  EXPECT_TRUE(opened.entry.readiness(Direction::kRead).ready());
}

TEST(FdReadiness, EventBetweenTheSystemCallAndTheNoteWins) {
  Opened opened;
  const Readiness seen = opened.entry.readiness(Direction::kRead);
  opened.post(kReadable);
  opened.entry.note_unready(Direction::kRead, seen);
  EXPECT_TRUE(opened.entry.readiness(Direction::kRead).ready());
}

TEST(FdReadiness, HangUpOutlastsTheNote) {
  Opened opened;
  opened.post({.readable = true, .read_hung_up = true});
  EXPECT_TRUE(opened.entry.readiness(Direction::kRead).hung_up());
  opened.clear(Direction::kRead);
  opened.post(kReadable);
  EXPECT_TRUE(opened.entry.readiness(Direction::kRead).hung_up());
  EXPECT_FALSE(opened.entry.readiness(Direction::kWrite).hung_up());
}

TEST(FdReadiness, EventOfAnEarlierGenerationIsIgnored) {
  Opened opened;
  opened.clear(Direction::kRead);
  std::vector<Ready> woken;
  opened.entry.post(opened.generation - 1, kReadable, woken);
  EXPECT_FALSE(opened.entry.readiness(Direction::kRead).ready());
  EXPECT_TRUE(woken.empty());
}

TEST(FdWait, ReturnsAtOnceWhenReady) {
  Opened opened;
  EXPECT_EQ(opened.entry.wait(opened.generation, Direction::kRead, nullptr), Wake::kNormal);
}

TEST(FdWait, ReturnsAtOnceWhenClosed) {
  Opened opened;
  opened.clear(Direction::kRead);
  ASSERT_TRUE(opened.entry.enter(opened.generation));
  opened.entry.close(opened.generation);
  EXPECT_EQ(opened.entry.wait(opened.generation, Direction::kRead, nullptr), Wake::kClosed);
  opened.entry.leave(opened.generation);
}

TEST(FdWait, RefusesWhereNoEventsCome) {
  Opened opened;
  opened.clear(Direction::kRead);
  const FdHome home;
  EXPECT_EQ(opened.entry.wait(opened.generation, Direction::kRead, &home), std::nullopt);
}

TEST(FdWait, EventReportsWhoeverWaitsForIt) {
  Opened opened;
  opened.clear(Direction::kRead);
  opened.clear(Direction::kWrite);
  Wake reason = Wake::kClosed;
  {
    const support::WaitingThread waiter(
        [&] { reason = opened.entry.wait(opened.generation, Direction::kRead, nullptr).value(); });
    waiter.until_asleep();
    EXPECT_TRUE(opened.post({.writable = true}).empty());
    const std::vector<Ready> woken = opened.post(kReadable);
    ASSERT_EQ(woken.size(), 1U);
    EXPECT_TRUE(opened.post(kReadable).empty()) << "it is reported once";
    EXPECT_TRUE(wake(woken[0].token, woken[0].reason));
  }
  EXPECT_EQ(reason, Wake::kNormal);
}

TEST(FdWait, CloseWakesBothDirectionsAndEverybodyInThem) {
  Opened opened;
  opened.clear(Direction::kRead);
  opened.clear(Direction::kWrite);
  std::atomic<int> closed{0};
  const auto wait_for = [&](Direction direction) {
    return [&opened, &closed, direction] {
      ASSERT_TRUE(opened.entry.enter(opened.generation));
      closed += opened.entry.wait(opened.generation, direction, nullptr) == Wake::kClosed;
      EXPECT_TRUE(is_open_in_kernel(opened.fd));
      opened.entry.leave(opened.generation);
    };
  };
  {
    const support::WaitingThread first(wait_for(Direction::kRead)),
        second(wait_for(Direction::kRead)), third(wait_for(Direction::kWrite));
    first.until_asleep();
    second.until_asleep();
    third.until_asleep();
    opened.entry.close(opened.generation);
  }
  EXPECT_EQ(closed, 3);
  EXPECT_FALSE(is_open_in_kernel(opened.fd));
}

TEST(FdWaitForClose, ReleasesTheLockAndEndsWithTheDescriptor) {
  Opened opened;
  Spinlock held;
  WakeToken note;
  Wake reason = Wake::kNormal;
  {
    const support::WaitingThread waiter([&] {
      held.lock();
      reason = opened.entry.wait_for_close(opened.generation, held, note);
    });
    waiter.until_asleep();
    held.lock();
    held.unlock();
    opened.entry.close(opened.generation);
  }
  EXPECT_EQ(reason, Wake::kClosed);
  held.lock();
  note = current_token(WaitsFor::kDescriptor);
  EXPECT_EQ(opened.entry.wait_for_close(opened.generation, held, note), Wake::kClosed);
  EXPECT_EQ(note.fiber, nullptr) << "it has not slept, so nobody is to wake it";
  EXPECT_TRUE(held.try_lock());
}

TEST(FdWaitForClose, EndsForAnyOtherReasonToo) {
  Opened opened;
  Spinlock held;
  WakeToken note;
  Wake reason = Wake::kClosed;
  {
    const support::WaitingThread waiter([&] {
      held.lock();
      reason = opened.entry.wait_for_close(opened.generation, held, note);
    });
    waiter.until_asleep();
    EXPECT_TRUE(wake(waiter.token()));
  }
  EXPECT_EQ(reason, Wake::kNormal);
}

TEST(FdHomes, CountTheirDescriptorsUntilTheseAreClosed) {
  Opened opened;
  const auto home = std::make_shared<FdHome>();
  EXPECT_TRUE(opened.entry.move_to(home));
  EXPECT_FALSE(opened.entry.move_to(home));
  EXPECT_EQ(home->descriptors, 1);
  opened.entry.close(opened.generation);
  EXPECT_EQ(home->descriptors, 0);
  EXPECT_EQ(home.use_count(), 1);
}

TEST(FdHomes, RefusalWakesThoseWhoTrustedIt) {
  Opened opened;
  opened.clear(Direction::kRead);
  const auto home = std::make_shared<FdHome>();
  opened.entry.move_to(home);
  std::optional<Wake> reason;
  {
    const support::WaitingThread waiter(
        [&] { reason = opened.entry.wait(opened.generation, Direction::kRead, home.get()); });
    waiter.until_asleep();
    opened.entry.leave_home(home.get());
  }
  EXPECT_EQ(reason, Wake::kNormal);
  EXPECT_EQ(home->descriptors, 0);
  EXPECT_EQ(opened.entry.wait(opened.generation, Direction::kRead, home.get()), std::nullopt);
}

TEST(FdTable, KnowsOnlyWhatHasBeenOpened) {
  EXPECT_EQ(FdTable::instance().find(-1), nullptr);
  EXPECT_EQ(FdTable::instance().find(3'000'000), nullptr);
  EXPECT_THROW(FdTable::instance().entry(2'000'000'000), std::system_error);
  FdEntry& entry = FdTable::instance().entry(5000);
  EXPECT_EQ(entry.fd(), 5000);
  EXPECT_EQ(FdTable::instance().find(5000), &entry);
  EXPECT_EQ(&FdTable::instance().entry(5000), &entry);
}

TEST(Descriptor, ClosesWhatItOwnsWhenItDies) {
  const int fd = new_fd();
  {
    Descriptor first(fd);
    Descriptor second(std::move(first));
    EXPECT_EQ(first.fd(), -1);  // NOLINT: what has been moved from is empty, and says so
    EXPECT_EQ(second.fd(), fd);
    Descriptor third;
    third = std::move(second);
    EXPECT_TRUE(third.is_open());
    EXPECT_TRUE(is_open_in_kernel(fd));
  }
  EXPECT_FALSE(is_open_in_kernel(fd));
}

TEST(Descriptor, OperationKeepsTheNumberForItself) {
  Descriptor descriptor(new_fd());
  const int fd = descriptor.fd();
  {
    const FdOperation operation(descriptor);
    ASSERT_TRUE(operation);
    EXPECT_TRUE(descriptor.close());
    EXPECT_FALSE(FdOperation(descriptor));
    const Opened other;
    EXPECT_NE(other.fd, fd);
    EXPECT_TRUE(is_open_in_kernel(fd));
  }
  EXPECT_FALSE(is_open_in_kernel(fd));
}

}  // namespace
}  // namespace weft::detail
