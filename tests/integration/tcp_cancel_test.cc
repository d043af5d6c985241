// Goal: every call that waits can be cancelled or timed out, and closed under its feet; the stream
// is usable after the one, and nobody is misled after the other, not even when the number is opened
// again at once. Method: a fiber waits, a second one ends its wait.

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "support/task_steps.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// A listener that answers nobody any more: its queue is full, and the kernel drops what comes.
class SilentListener {
 public:
  SilentListener() : listener_(TcpListener::bind("127.0.0.1", 0, {.backlog = 0})) {
    try {
      for (;;) {
        queued_.push_back(timeout(milliseconds(50), [&] { return TcpStream::connect(address()); }));
      }
    } catch (const TimeoutError&) {
    }
  }
  SocketAddress address() const { return listener_.local_address(); }

 private:
  TcpListener listener_;
  std::vector<TcpStream> queued_;
};

// Starts `call`, gives it time to wait, cancels it.
void expect_cancellable(const std::function<void()>& call) {
  Task<void> task = spawn([&] { call(); });
  sleep_for(milliseconds(2));
  EXPECT_FALSE(task.done());
  task.cancel();
  EXPECT_THROW(task.get(), Cancelled);
}

// More than the kernel takes from a sender whose peer does not read.
const std::string kTooMuch(std::size_t{32} << 20, 'b');

TEST(Cancel, EndsARead) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    std::array<std::byte, 8> buffer;
    expect_cancellable([&] { server.read_some(buffer); });
    client.write_all("still fine");
    client.shutdown();
    EXPECT_EQ(server.read_to_end(100), "still fine");
  });
}

TEST(Cancel, EndsAWrite) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    expect_cancellable([&] { client.write_all(kTooMuch); });
    server.write_all("still fine");
    server.shutdown();
    EXPECT_EQ(client.read_to_end(100), "still fine");
  });
}

// The data is there when the cancellation comes, and perhaps with the reader already: then that has
// it, and is cancelled where it waits next.
TEST(Cancel, ComesTogetherWithTheDataAndNeitherIsLost) {
  run([] {
    int told_late = 0;
    for (int round = 0; round < 200; ++round) {
      Connected pair = connect_pair();
      std::string got(8, '?');
      std::size_t count = 0;
      Task<void> reader = spawn([&] {
        count = pair.server.read_some(bytes_of(got));
        ++told_late;
        sleep_for(seconds(60));
      });
      if (round % 2 == 0) sleep_for(std::chrono::microseconds(200));  // asleep; else perhaps not
      ASSERT_EQ(::send(pair.client.native_handle(), "data", 4, 0), 4);
      if (round % 4 < 2) yield();
      reader.cancel();
      EXPECT_THROW(reader.get(), Cancelled);
      pair.client.shutdown();
      EXPECT_EQ(got.substr(0, count) + pair.server.read_to_end(100), "data");
    }
    RecordProperty("told_late", told_late);
  });
}

TEST(Cancel, EndsAnAccept) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    expect_cancellable([&] { listener.accept(); });
    Connected pair = connect_to(listener);
    TcpStream& server = pair.server;
    EXPECT_TRUE(server.is_open());
  });
}

TEST(Cancel, EndsAConnect) {
  run([] {
    SilentListener silent;
    expect_cancellable([&] { TcpStream::connect(silent.address()); });
  });
}

TEST(Cancel, ReachesAReaderThatNeverHasToWaitAndLosesNothing) {
  run([] {
    constexpr std::size_t kTotal = 10'000;
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.write_all(std::string(kTotal, 'b'));
    std::string byte(1, '?');
    std::size_t count = 0;
    EXPECT_THROW(timeout(milliseconds(0),
                         [&] {
                           while (count < kTotal) count += server.read_some(bytes_of(byte));
                         }),
                 TimeoutError);
    EXPECT_LT(count, kTotal);
    client.shutdown();
    EXPECT_EQ(count + server.read_to_end(kTotal).size(), kTotal);
  });
}

TEST(Cancel, ReachesAWriterThatNeverHasToWait) {
  run([] {
    Connected pair = connect_pair();
    Task<void> reader = spawn([&] {
      std::string sink(65536, '?');
      while (pair.server.read_some(bytes_of(sink)) != 0) continue;
    });
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THROW(timeout(milliseconds(20),
                         [&] {
                           for (;;) pair.client.write_all("a few bytes");
                         }),
                 TimeoutError);
    EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(10));
    pair.client.shutdown();
    reader.get();
  });
}

TEST(Timeout, EndsReadAcceptAndConnect) {
  run([] {
    Connected pair = connect_pair();
    TcpStream& server = pair.server;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    std::array<std::byte, 8> buffer;
    EXPECT_THROW(timeout(milliseconds(5), [&] { server.read_some(buffer); }), TimeoutError);
    EXPECT_THROW(timeout(milliseconds(5), [&] { listener.accept(); }), TimeoutError);
    SilentListener silent;
    EXPECT_THROW(timeout(milliseconds(5), [&] { TcpStream::connect(silent.address()); }),
                 TimeoutError);
  });
}

// Starts `call`, lets it come to its wait (in run_pinned it has, once we come back), closes what it
// waits on.
void expect_closable(const std::function<void()>& call, const std::function<void()>& close) {
  Task<std::string> task = spawn({.pinned = true}, [&] {
    std::string message;
    const std::error_code code = error_of([&] {
      try {
        call();
      } catch (const std::exception& error) {
        message = error.what();
        throw;
      }
    });
    EXPECT_EQ(code, std::errc::operation_canceled);
    return message;
  });
  sleep_for(milliseconds(2));
  EXPECT_FALSE(task.done());
  close();
  EXPECT_THAT(task.get(), HasSubstr("closed meanwhile"));
}

TEST(Close, EndsARead) {
  run_pinned([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    std::array<std::byte, 8> buffer;
    expect_closable([&] { server.read_some(buffer); }, [&] { server.close(); });
    EXPECT_EQ(client.read_to_end(10), "") << "the peer sees the end";
    EXPECT_EQ(error_of([&] { server.read_some(buffer); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([&] { server.read_some(buffer); }), HasSubstr("closed before"));
  });
}

TEST(Close, EndsAWrite) {
  run_pinned([] {
    Connected pair = connect_pair();
    TcpStream& client = pair.client;
    expect_closable([&] { client.write_all(kTooMuch); }, [&] { client.close(); });
  });
}

TEST(Close, EndsEveryAccept) {
  run_pinned([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> other = spawn({.pinned = true}, [&] { listener.accept(); });
    expect_closable([&] { listener.accept(); }, [&] { listener.close(); });
    EXPECT_EQ(error_of([&] { other.get(); }), std::errc::operation_canceled);
  });
}

TEST(Close, ByAPlainThreadEndsAReadAndAWrite) {
  run_pinned([] {
    Connected pair = connect_pair();
    TcpStream& server = pair.server;
    std::array<std::byte, 8> buffer;
    Task<void> reader = spawn({.pinned = true}, [&] { server.read_some(buffer); });
    expect_closable([&] { server.write_all(kTooMuch); },
                    [&] { std::thread([&] { server.close(); }).join(); });
    EXPECT_EQ(error_of([&] { reader.get(); }), std::errc::operation_canceled);
  });
}

bool has_received(const TcpStream& stream) {
  char byte;
  return ::recv(stream.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

// A write of so many parts takes many calls, and gives way to others between two of them.
TEST(Close, BetweenTheCallsOfAWriteIsMeanwhile) {
  run_pinned([] {
    Connected pair = connect_pair();
    TcpStream& client = pair.client;
    std::array<char, 1> byte{'b'};
    const std::vector<iovec> parts(100'000, iovec{byte.data(), 1});
    Task<std::string> writer = spawn({.pinned = true}, [&] {
      return message_of([&] { client.write_all(std::span<const iovec>(parts)); });
    });
    // It may give way before its first call, too.
    while (!has_received(pair.server)) yield();
    EXPECT_FALSE(writer.done());
    client.close();
    EXPECT_THAT(writer.get(), HasSubstr("closed meanwhile"));
    std::size_t sent = 0;
    for (std::size_t count = 1; count > 0; sent += count) {
      std::array<std::byte, 4096> buffer;
      count = pair.server.read_some(buffer);
    }
    EXPECT_GT(sent, 0);
    EXPECT_LT(sent, parts.size()) << "it had ended, so nothing was tested";
  });
}

// Part of what is wanted comes, and the reader, awake, finds the stream closed when it asks for
// more.
TEST(Close, BetweenTheCallsOfAReadIsMeanwhile) {
  run_pinned([] {
    for (int round = 0; round < 300; ++round) {
      Connected pair = connect_pair();
      TcpStream &client = pair.client, &server = pair.server;
      std::array<std::byte, 8> buffer;
      Task<std::string> reader =
          spawn({.pinned = true}, [&] { return message_of([&] { server.read_exactly(buffer); }); });
      yield();
      client.write_all("part");
      sleep_for(std::chrono::microseconds(round % 10));
      server.close();
      EXPECT_THAT(reader.get(), HasSubstr("closed meanwhile"));
    }
  });
}

TEST(Close, SameNumberOpenedAtOnceServesTheNewStreamOnly) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    int reused = 0;
    for (int round = 0; round < 50; ++round) {
      Connected pair = connect_to(listener);
      TcpStream& client = pair.client;
      const int number = client.native_handle();
      std::array<std::byte, 8> buffer;
      Task<void> reader = spawn([&] { client.read_some(buffer); });
      sleep_for(std::chrono::microseconds(100));
      client.close();
      // The reader has yet to leave, or has just left: the kernel decides whether the number is
      // free by now.
      Connected next = connect_to(listener);
      TcpStream &next_client = next.client, &next_server = next.server;
      // Closed meanwhile; or before, if the reader came late.
      const std::error_code ended = error_of([&] { reader.get(); });
      EXPECT_TRUE(ended == std::errc::operation_canceled || ended == std::errc::bad_file_descriptor)
          << ended;
      Connected last = connect_to(listener);
      TcpStream &last_client = last.client, &last_server = last.server;
      for (TcpStream* stream : {&next_client, &next_server, &last_client, &last_server}) {
        reused += stream->native_handle() == number;
      }
      next_server.write_all("new");
      next_server.shutdown();
      EXPECT_EQ(next_client.read_to_end(10), "new");
      EXPECT_EQ(error_of([&] { client.read_some(buffer); }), std::errc::bad_file_descriptor);
      client.close();  // again: must not reach whoever has the number now
      last_server.write_all("last");
      last_server.shutdown();
      EXPECT_EQ(last_client.read_to_end(10), "last");
    }
    EXPECT_GT(reused, 0) << "the numbers were not reused, so nothing was tested";
  });
}

TEST(RuntimeEnd, CancelsWhoeverStillWaits) {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  Task<void> left = run([&] {
    Task<void> task = spawn([&] { listener.accept(); });
    yield();
    return task;
  });
  EXPECT_TRUE(left.cancelled());
  EXPECT_TRUE(listener.is_open());
}

}  // namespace
}  // namespace weft
