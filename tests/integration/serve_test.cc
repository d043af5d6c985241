// Goal: a server takes connections up to its limit, survives its handlers, and ends in good order.
// Method: clients in the same program.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <vector>

#include "support/greeting.h"
#include "support/serve_error_log.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(Serve, ReturnsWhenTheListenerIsClosed) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, greet); });
    EXPECT_EQ(greeting_from(listener.local_address()), "hello");
    listener.close();
    server.get();
    serve(listener, greet);  // closed already
  });
}

TEST(Serve, TakesAnyCallable) {
  struct Counting {
    std::atomic<int>& calls;
    void operator()(TcpStream stream) const {
      ++calls;
      greet(stream);
    }
  };
  run([] {
    std::atomic<int> calls{0};
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, Counting{calls}); });
    greeting_from(listener.local_address());
    greeting_from(listener.local_address());
    listener.close();
    server.get();
    EXPECT_EQ(calls, 2);
  });
}

TEST(Serve, HandlersExceptionEndsItsConnectionAlone) {
  run([] {
    ServeErrorLog log;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const auto fail_at_x = [](TcpStream& stream) {
      if (stream.read_until("\n") == "x\n") throw std::runtime_error("found an x");
      stream.write_all("fine");
    };
    Task<void> server = spawn([&] { serve(listener, fail_at_x, log.options()); });
    TcpStream first = TcpStream::connect(listener.local_address());
    TcpStream second = TcpStream::connect(listener.local_address());
    first.write_all("x\n");
    EXPECT_EQ(first.read_to_end(10), "");
    second.write_all("y\n");
    EXPECT_EQ(second.read_to_end(10), "fine");
    listener.close();
    server.get();
    const std::vector<ServeError> errors = log.errors();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].stage, ServeError::Stage::kHandler);
    EXPECT_EQ(errors[0].address, first.local_address());
    EXPECT_THAT(message_of([&] { std::rethrow_exception(errors[0].error); }), "found an x");
  });
}

TEST(Serve, BrokenOffConnectionsAreNotWorthALine) {
  testing::internal::CaptureStderr();
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const auto handler = [](TcpStream& stream) {
      const std::string word = stream.read_until("\n");
      if (word == "talk\n") throw std::runtime_error("worth a line");
      if (word == "quiet\n") stream.read_until("\n");
      // Once it has been told of the reset there is nothing left to end.
      EXPECT_THROW(stream.read_until("\n"), std::system_error);
      stream.shutdown();
    };
    Task<void> server = spawn([&] { serve(listener, handler); });
    TcpStream rude = TcpStream::connect(listener.local_address());
    rude.write_all("quiet\n");
    sleep_for(milliseconds(2));
    reset(rude);
    TcpStream late = TcpStream::connect(listener.local_address());
    late.write_all("late\n");
    sleep_for(milliseconds(2));
    reset(late);
    TcpStream odd = TcpStream::connect(listener.local_address());
    odd.write_all("talk\n");
    odd.read_to_end(10);
    listener.close();
    server.get();
  });
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_THAT(printed, HasSubstr("weft: connection from 127.0.0.1:"));
  EXPECT_THAT(printed, HasSubstr(": worth a line\n"));
  EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 1) << printed;
}

TEST(Serve, NeverExceedsItsLimit) {
  run([] {
    std::atomic<int> now{0}, most{0};
    const auto handler = [&](TcpStream& stream) {
      const int count = ++now;
      int seen = most;
      while (seen < count && !most.compare_exchange_weak(seen, count)) {
      }
      stream.write_all("hello");
      stream.read_to_end(0);
      --now;
    };
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, handler, {.max_connections = 3}); });
    std::vector<Task<void>> clients;
    clients.reserve(40);
    for (int i = 0; i < 40; ++i) {
      clients.push_back(
          spawn([&] { EXPECT_EQ(greeting_from(listener.local_address()), "hello"); }));
    }
    for (Task<void>& client : clients) client.get();
    listener.close();
    server.get();
    EXPECT_LE(most, 3);
    EXPECT_GE(most, 1);
  });
}

TEST(Serve, ListenerMayBeClosedWhileTheLimitIsReached) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn(
        [&] { serve(listener, greet, {.max_connections = 1, .drain_timeout = milliseconds(1)}); });
    TcpStream client = TcpStream::connect(listener.local_address());
    EXPECT_EQ(client.read_until("o"), "hello");
    sleep_for(milliseconds(2));
    listener.close();
    server.get();
  });
}

TEST(Serve, LimitOfNoneIsRefused) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    EXPECT_THROW(serve(listener, greet, {.max_connections = 0}), std::invalid_argument);
  });
}

TEST(Serve, NeedsAFiber) {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  EXPECT_THROW(serve(listener, greet), std::logic_error);
}

TEST(ServeDrain, WaitsForConnectionsAndTakesNoMore) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const SocketAddress address = listener.local_address();
    Task<void> server = spawn([&] { serve(listener, greet, {.drain_timeout = seconds(60)}); });
    TcpStream client = TcpStream::connect(address);
    EXPECT_EQ(client.read_until("o"), "hello");
    listener.close();
    sleep_for(milliseconds(5));
    EXPECT_FALSE(server.done());
    EXPECT_EQ(error_of([&] { TcpStream::connect(address); }), std::errc::connection_refused);
    client.close();
    server.get();
  });
}

TEST(ServeDrain, CancelsWhatGoesOnForTooLong) {
  run([] {
    std::atomic<int> cancelled{0};
    const auto stubborn = [&](TcpStream& stream) {
      stream.write_all("hello");
      try {
        sleep_for(std::chrono::hours(1));
      } catch (const Cancelled&) {
        ++cancelled;
        throw;
      }
    };
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server =
        spawn([&] { serve(listener, stubborn, {.drain_timeout = milliseconds(10)}); });
    TcpStream first = TcpStream::connect(listener.local_address());
    TcpStream second = TcpStream::connect(listener.local_address());
    first.read_until("o");
    second.read_until("o");
    listener.close();
    server.get();
    EXPECT_EQ(cancelled, 2);
    EXPECT_EQ(first.read_to_end(10), "");
  });
}

TEST(ServeDrain, FollowsACancellationToo) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, greet, {.drain_timeout = seconds(60)}); });
    TcpStream client = TcpStream::connect(listener.local_address());
    EXPECT_EQ(client.read_until("o"), "hello");
    server.cancel();
    until([&] { return !listener.is_open(); });
    EXPECT_FALSE(server.done());
    client.close();
    EXPECT_THROW(server.get(), Cancelled);
  });
}

TEST(ServeDrain, SecondCancellationCutsItShort) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server =
        spawn([&] { serve(listener, greet, {.drain_timeout = std::chrono::hours(1)}); });
    TcpStream client = TcpStream::connect(listener.local_address());
    EXPECT_EQ(client.read_until("o"), "hello");
    server.cancel();
    until([&] { return !listener.is_open(); });
    server.cancel();
    EXPECT_THROW(server.get(), Cancelled);
    EXPECT_EQ(client.read_to_end(10), "");
  });
}

// One worker computes, all others have enough to do: nobody looks for work, and yet who waits on
// the stuck one's connections is served.
TEST(Serve, HandlerThatComputesHoldsUpNobodyElseThoughAllAreBusy) {
  run([] {
    if (metrics().workers < 2) return;  // one worker does one thing at a time
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    std::atomic<bool> computes{false}, asked{false}, enough{false};
    Task<void> server = spawn([&] {
      serve(listener, [&](TcpStream& stream) {
        std::string byte(1, '?');
        while (stream.read_some(bytes_of(byte)) != 0) {
          if (byte == "c") {
            computes = true;
            const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
            while (!asked && std::chrono::steady_clock::now() < until) continue;
            enough = true;
          }
          stream.write_all(byte);
        }
      });
    });
    std::vector<TcpStream> clients;
    for (int i = 0; i < 16; ++i) clients.push_back(TcpStream::connect(listener.local_address()));
    std::string byte = "e";
    const auto ask = [&](TcpStream& client) {
      client.write_all("e");
      client.read_exactly(bytes_of(byte));
    };
    for (TcpStream& client : clients) ask(client);
    std::vector<Task<void>> busy;
    for (unsigned i = 0; i < 2 * metrics().workers; ++i) {
      busy.push_back(spawn([&] {
        while (!enough) yield();
      }));
    }
    clients[0].write_all("c");
    while (!computes) yield();
    for (std::size_t i = 1; i < clients.size(); ++i) ask(clients[i]);
    EXPECT_FALSE(enough) << "whoever was not the one that computes has waited for it";
    asked = true;
    for (Task<void>& task : busy) task.get();
    listener.close();
    clients.clear();
    server.get();
  });
}

}  // namespace
}  // namespace weft
