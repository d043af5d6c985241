// Goal: every call that waits can be cancelled, timed out and closed under its feet, and nothing is
// lost: not what had arrived, nor the order of what was written. Method: a fiber waits, a second
// one ends its wait; peers that stay silent are plain TCP ends.

#include <gmock/gmock.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/tls.h"

namespace weft {
namespace {

using namespace support;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Starts `call`, gives it time to wait, cancels it.
void expect_cancellable(const std::function<void()>& call) {
  Task<void> task = spawn([&] { call(); });
  sleep_for(milliseconds(2));
  EXPECT_FALSE(task.done());
  task.cancel();
  EXPECT_THROW(task.get(), Cancelled);
}

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('0' + i % 73);
  return text;
}

// More than the kernel takes from a sender whose peer does not read.
const std::string& too_much() {
  static const std::string text = pattern(std::size_t{16} << 20);
  return text;
}

// What the kernel has taken from the sender and not got rid of.
int unsent_bytes(int fd) {
  int bytes = 0;
  EXPECT_EQ(::ioctl(fd, SIOCOUTQ, &bytes), 0);
  return bytes;
}

TEST(TlsTimeout, APeerThatNeverAnswersTheHandshake) {
  run([] {
    const TlsContext client = client_context(), server = server_context();
    Connected one = connect_pair(), other = connect_pair();
    EXPECT_THROW(timeout(milliseconds(20),
                         [&] { TlsStream::client(std::move(one.client), "localhost", client); }),
                 TimeoutError);
    EXPECT_THROW(
        timeout(milliseconds(20), [&] { TlsStream::accept(std::move(other.server), server); }),
        TimeoutError);
    // Nothing is left behind: the other ends see the connections close.
    std::string greeting = one.server.read_to_end(10'000);
    EXPECT_GT(greeting.size(), 100U) << "the client had not begun";
    EXPECT_EQ(other.client.read_to_end(10'000), "");
  });
}

// The handshake is cut off after each byte the client might wait for.
TEST(TlsTimeout, APeerThatStopsInTheMiddleOfTheHandshake) {
  run([] {
    const TlsContext client = client_context(), server = server_context();
    for (const std::size_t let_through : {1U, 5U, 6U, 100U, 500U}) {
      Connected near = connect_pair(), far = connect_pair();
      Task<void> relay = spawn([&] {
        std::vector<std::byte> buffer(10'000);
        const std::size_t hello = near.server.read_some(buffer);
        far.client.write_all(std::span(buffer).first(hello));
        far.client.read_exactly(std::span(buffer).first(let_through));
        near.server.write_all(std::span(buffer).first(let_through));
      });
      Task<void> accepting = spawn([&] { TlsStream::accept(std::move(far.server), server); });
      EXPECT_THROW(timeout(milliseconds(10),
                           [&] { TlsStream::client(std::move(near.client), "localhost", client); }),
                   TimeoutError);
      relay.get();
      accepting.cancel();
      EXPECT_THROW(accepting.get(), Cancelled);
    }
  });
}

TEST(TlsCancel, AReaderLosesNothing) {
  run([] {
    auto [left, right] = tls_pair();
    std::string five(5, ' ');
    expect_cancellable([&right = right, &five] { right.read_some(bytes_of(five)); });
    left.write_all("ab");
    expect_cancellable([&right = right, &five] { right.read_exactly(bytes_of(five)); });
    expect_cancellable([&right = right] { right.read_until("\n"); });
    expect_cancellable([&right = right] { right.read_to_end(100); });
    left.write_all("cde\n");
    right.read_exactly(bytes_of(five));
    EXPECT_EQ(five, "abcde");
    left.shutdown();
    EXPECT_EQ(right.read_to_end(10), "\n");
  });
}

// Data that arrives in pieces smaller than a record, to a reader that is cancelled after each,
// while the other direction is busy.
TEST(TlsCancel, HalfARecordIsNotLost) {
  run([] {
    const TlsContext client = client_context(), server = server_context();
    Connected near = connect_pair(), far = connect_pair();
    const auto relay = [](TcpStream& from, TcpStream& to) {
      std::vector<std::byte> buffer(10'000);
      while (const std::size_t got = from.read_some(buffer)) {
        to.write_all(std::span(buffer).first(got));
      }
      to.shutdown();
    };
    Task<void> there = spawn([&] { relay(near.server, far.client); });
    Task<void> back = spawn([&] { relay(far.client, near.server); });
    auto [left, right] =
        shake_hands({std::move(near.client), std::move(far.server)}, client, server);
    there.cancel();  // from here on piece by piece
    EXPECT_THROW(there.get(), Cancelled);
    std::atomic<bool> done{false};
    Task<void> busy = spawn([&done, &right = right] {
      while (!done) {
        right.write_all(std::string(30'000, 'x'));
        sleep_for(std::chrono::microseconds(20));
      }
      right.shutdown();
    });
    Task<void> listener = spawn([&left = left] {
      std::string some(1000, ' ');
      while (left.read_some(bytes_of(some)) > 0) {
      }
    });

    const std::string sent = pattern(static_cast<std::size_t>(5000 * scaled(40)));
    left.write_all(sent);  // the kernel takes that much
    left.shutdown();
    std::string received;
    const auto read = [&received, &right = right] {
      std::string some(1000, ' ');
      while (const std::size_t got = right.read_some(bytes_of(some))) received.append(some, 0, got);
    };
    int pieces = 0, cancelled = 0;
    std::vector<std::byte> piece(300);
    while (const std::size_t got = near.server.read_some(piece)) {
      ++pieces;
      far.client.write_all(std::span(piece).first(got));
      Task<void> reader = spawn(read);
      sleep_for(std::chrono::microseconds(100));
      reader.cancel();
      try {
        reader.get();
      } catch (const Cancelled&) {
        ++cancelled;
      }
    }
    read();
    EXPECT_TRUE(received == sent) << received.size() << " of " << sent.size();
    EXPECT_GT(cancelled, pieces / 2) << "of " << pieces;
    done = true;
    busy.get(), listener.get();
    left.close(), right.close();
    back.get();
  });
}

TEST(TlsCancel, AWriterLeavesABeginning) {
  run([] {
    auto [left, right] = tls_pair();
    expect_cancellable([&left = left] { left.write_all(too_much()); });
    Task<std::string> reader =
        spawn([&right = right] { return right.read_to_end(too_much().size()); });
    left.write_all("|and then this");
    left.shutdown();
    const std::string received = std::move(reader).get();
    const std::size_t begun = received.find('|');
    ASSERT_NE(begun, std::string::npos);
    EXPECT_GT(begun, 0U);
    EXPECT_LT(begun, too_much().size());
    EXPECT_TRUE(received.substr(0, begun) == too_much().substr(0, begun));
    EXPECT_EQ(received.substr(begun), "|and then this");
  });
}

// Whoever is cancelled knows what was written: exactly that arrives.
TEST(TlsCancel, AWriterOfSomeHasWrittenNone) {
  run([] {
    auto [left, right] = tls_pair();
    Task<std::string> reader = spawn([&right = right] {
      std::string received, some(7'000, ' ');
      while (const std::size_t got = right.read_some(bytes_of(some))) {
        received.append(some, 0, got);
        sleep_for(std::chrono::microseconds(200));
      }
      return received;
    });
    const std::span<const std::byte> text = std::as_bytes(std::span(too_much()));
    const std::size_t size = std::size_t{1 << 20} * scaled(8);
    std::size_t written = 0;
    int begun = 0, cancelled = 0;  // on a loaded machine some are cancelled before they begin
    while (written < size) {
      Task<void> writer = spawn([&, &left = left] {
        ++begun;
        try {
          while (written < size) written += left.write_some(text.subspan(written, size - written));
          sleep_for(seconds(100));
        } catch (const Cancelled&) {
          ++cancelled;
          throw;
        }
      });
      sleep_for(std::chrono::microseconds(300));
      writer.cancel();
      EXPECT_THROW(writer.get(), Cancelled);
    }
    EXPECT_EQ(cancelled, begun);
    left.shutdown();
    const std::string received = std::move(reader).get();
    EXPECT_EQ(received.size(), written);
    EXPECT_TRUE(received == too_much().substr(0, written));
  });
}

TEST(TlsCancel, AShutdownCanBeRepeated) {
  run([] {
    Connected pair = connect_pair();
    const int fd = pair.client.native_handle();
    auto [left, right] = shake_hands(std::move(pair), client_context(), server_context());
    // Until the kernel takes no more, not even when it has passed some on: it may have room for a
    // record where it does not say that there is any.
    for (int same = 0, before = -1; same < 3;) {
      expect_cancellable([&left = left] { left.write_all(too_much()); });
      const int now = unsent_bytes(fd);
      same = now == before ? same + 1 : 0;
      before = now;
    }
    expect_cancellable([&left = left] { left.shutdown(); });
    Task<std::string> reader =
        spawn([&right = right] { return right.read_to_end(too_much().size()); });
    left.shutdown();
    // Whole records of several beginnings, and the farewell behind them, or this would throw.
    EXPECT_FALSE(std::move(reader).get().empty());
  });
}

TEST(TlsClose, WakesTheReader) {
  run([] {
    auto [left, right] = tls_pair();
    std::byte one{};
    // Behind the tickets: unread at the end they would make it a reset.
    right.write_all({&one, 1});
    EXPECT_EQ(left.read_some({&one, 1}), 1U);
    Task<void> reader = spawn([&left = left, &one] { left.read_some({&one, 1}); });
    sleep_for(milliseconds(2));
    EXPECT_FALSE(reader.done());
    left.close();
    EXPECT_EQ(error_of([&] { reader.get(); }), std::errc::operation_canceled);
    EXPECT_EQ(error_of([&left = left, &one] {
                left.read_some({&one, 1});
              }),
              std::errc::bad_file_descriptor);
    // The peer cannot know that this was on purpose.
    EXPECT_EQ(error_of([&right = right, &one] {
                right.read_some({&one, 1});
              }),
              TlsErrc::kTruncated);
  });
}

TEST(TlsClose, WakesTheWriter) {
  run([] {
    auto [left, right] = tls_pair();
    Task<void> writer = spawn([&left = left] { left.write_all(too_much()); });
    sleep_for(milliseconds(2));
    EXPECT_FALSE(writer.done());
    left.close();
    const std::error_code code = error_of([&] { writer.get(); });
    // Closed meanwhile; or before, if it was just not waiting.
    EXPECT_TRUE(code == std::errc::operation_canceled || code == std::errc::bad_file_descriptor)
        << code;
  });
}

}  // namespace
}  // namespace weft
