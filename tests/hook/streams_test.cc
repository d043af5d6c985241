// Goal: blocking code may be given the number of a stream that is weft's own, and both are told
// what there is to tell. Method: one fiber is put to sleep in a hooked call, another in the
// stream's.

#include <poll.h>

#include <array>
#include <chrono>

#include "hook/support.h"

namespace {

using namespace hook_test;
using weft::Task;

class HookedStreams : public OnWorkers {
 protected:
  HookedStreams() : OnWorkers(20s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedStreams, testing::Values(1U, 2U, 4U));

// A library may be given the number of a stream that weft watches, too.
TEST_P(HookedStreams, PollOfAStreamsNumberLeavesTheStreamAsItWas) {
  run([&] {
    auto [ours, peer] = weft::UnixStream::pair();
    const auto read_byte = [&, &stream = ours] {
      std::byte byte{};
      EXPECT_EQ(stream.read_some({&byte, 1}), 1);
    };
    Task<void> reader = weft::spawn(read_byte);
    let_them_sleep();
    peer.write_all("x");
    reader.get();
    Task<void> poller = weft::spawn([fd = ours.native_handle()] {
      pollfd item{fd, POLLIN, 0};
      EXPECT_EQ(::poll(&item, 1, 5), 0);
      EXPECT_EQ(::poll(&item, 1, -1), 1);
      EXPECT_EQ(item.revents, POLLIN);
    });
    weft::sleep_for(20ms);
    peer.write_all("x");
    poller.get();
    read_byte();
    reader = weft::spawn(read_byte);
    let_them_sleep();
    peer.write_all("x");
    reader.get();
  });
}

TEST_P(HookedStreams, PolledWhileItBecomesAStreamIsStillTold) {
  run([&] {
    std::array<int, 2> pair{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
    Task<void> poller = weft::spawn([fd = pair[0]] {
      pollfd item{fd, POLLIN, 0};
      EXPECT_EQ(::poll(&item, 1, -1), 1);
    });
    let_them_sleep();
    weft::UnixStream ours = weft::UnixStream::adopt(pair[0]);
    Task<void> reader = weft::spawn([&] {
      std::byte byte{};
      EXPECT_EQ(ours.read_some({&byte, 1}), 0);
    });
    let_them_sleep();
    EXPECT_FALSE(poller.done());
    ::close(pair[1]);
    reader.get();
    poller.get();
  });
}

// The kernel's registration of a file outlives its number, as long as another refers to it.
TEST_P(HookedStreams, EventOfAFileThatHadTheNumberBeforeIsNotTold) {
  run([&] {
    const Pair before, after;
    const int number = ::dup(before[0]);
    pollfd item{number, POLLIN, 0};
    EXPECT_EQ(::poll(&item, 1, 5), 0);
    EXPECT_EQ(::dup2(after[0], number), number);
    Task<int> poller = weft::spawn([&] { return ::poll(&item, 1, 50); });
    let_them_sleep();
    EXPECT_EQ(::write(before[1], "x", 1), 1);
    EXPECT_EQ(poller.get(), 0);
    poller = weft::spawn([&] { return ::poll(&item, 1, -1); });
    let_them_sleep();
    EXPECT_EQ(::write(after[1], "x", 1), 1);
    EXPECT_EQ(poller.get(), 1);
    ::close(number);
  });
}

}  // namespace
