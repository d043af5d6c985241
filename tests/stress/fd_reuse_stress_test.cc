// Goal: a descriptor's number that is closed and opened again, while others wait and call on it,
// never carries one connection's bytes to another, and nobody hangs. Method: slots open connections
// side by side, each writes its own tag and nothing else, and its ends are closed at random moments
// by fibers and plain threads, sometimes by two at once. The kernel gives out the lowest number, so
// each is taken over within microseconds. Random, replayed by WEFT_SEED.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <weft/weft.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "io/stream_state.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"

namespace weft {
namespace {

constexpr int kSlots = 8;
const int kRounds = support::scaled(2000);

TcpStream wrap(int fd) {
  return TcpStream(std::make_unique<detail::StreamState>(detail::Descriptor(fd), SocketAddress()));
}

struct Connection {
  explicit Connection(std::uint64_t number) : tag(number) {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) {
      throw std::system_error(errno, std::system_category(), "socketpair");
    }
    left = wrap(fds[0]);
    right = wrap(fds[1]);
  }
  const std::uint64_t tag;
  TcpStream left, right;
};

// What may end a call on an end that this or the other side has closed.
void expect_end(const std::system_error& error) {
  static const std::set<int> kExpected = {ECANCELED, EBADF, EPIPE, ECONNRESET};
  EXPECT_TRUE(kExpected.contains(error.code().value())) << error.what();
}

void write_tags(Connection& connection) {
  try {
    for (;;) connection.right.write_all(std::as_bytes(std::span(&connection.tag, 1)));
  } catch (const std::system_error& error) {
    expect_end(error);
  }
}

void read_tags(Connection& connection) {
  try {
    for (std::uint64_t tag = 0;;) {
      connection.left.read_exactly(std::as_writable_bytes(std::span(&tag, 1)));
      ASSERT_EQ(tag, connection.tag) << "bytes of another connection";
    }
  } catch (const IncompleteRead&) {
  } catch (const std::system_error& error) {
    expect_end(error);
  }
}

// A second reader on the writing end, to which nobody writes: it waits until the end.
void wait_for_nothing(Connection& connection) {
  std::byte byte{};
  try {
    EXPECT_EQ(connection.right.read_some({&byte, 1}), 0U);
  } catch (const std::system_error& error) {
    expect_end(error);
  }
}

void close_somehow(Connection& connection, support::Random& random) {
  TcpStream& end = random.one_in(2) ? connection.left : connection.right;
  switch (random.below(4)) {
    case 0:
      to_thread([&] { end.close(); });
      break;
    case 1:
      gather([&] { connection.left.close(); }, [&] { connection.right.close(); });
      break;
    case 2:
      gather([&] { end.close(); }, [&] { end.close(); });
      break;
    default:
      end.close();
  }
}

void one_connection(std::uint64_t number) {
  support::Random random(number);
  Connection connection(number);
  Task<void> reader = spawn([&] { read_tags(connection); });
  Task<void> writer = spawn([&] { write_tags(connection); });
  Task<void> waiter = spawn([&] { wait_for_nothing(connection); });
  for (int turns = random.below(20); turns > 0; --turns) yield();
  if (random.one_in(3)) sleep_for(std::chrono::microseconds(random.below(200)));
  close_somehow(connection, random);
  reader.get();
  writer.get();
  waiter.get();
}

void run_slots(unsigned workers) {
  run(Options{.workers = workers}, [&] {
    support::Watchdog watchdog("fd reuse, " + std::to_string(workers) + " workers",
                               std::chrono::seconds(20));
    std::atomic<std::uint64_t> next{1};
    std::vector<Task<void>> slots;
    slots.reserve(kSlots);
    for (int slot = 0; slot < kSlots; ++slot) {
      slots.push_back(spawn([&] {
        for (int round = 0; round < kRounds / kSlots; ++round) {
          one_connection(next++);
          watchdog.progress();
        }
      }));
    }
    for (Task<void>& slot : slots) slot.get();
  });
}

TEST(FdReuseStress, OneWorker) { run_slots(1); }
TEST(FdReuseStress, TwoWorkers) { run_slots(2); }
TEST(FdReuseStress, FourWorkers) { run_slots(4); }

}  // namespace
}  // namespace weft
