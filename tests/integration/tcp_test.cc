// Goal: TCP streams and listeners do what their header says between two fibers of one program.
// Method: connections over the loopback; the number of workers and the driver come from the
// environment.

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using testing::HasSubstr;

void echo_until_end(TcpStream& stream) {
  std::array<std::byte, 4096> buffer;
  while (const std::size_t got = stream.read_some(buffer)) {
    stream.write_all(std::span(buffer).first(got));
  }
}

void ask_and_compare(const SocketAddress& server, const std::string& question, int times) {
  TcpStream stream = TcpStream::connect(server);
  std::string answer(question.size(), '?');
  for (int i = 0; i < times; ++i) {
    stream.write_all(question);
    stream.read_exactly(bytes_of(answer));
    ASSERT_EQ(answer, question);
  }
}

void echo_over(int connections, int times) {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  Task<void> server = spawn([&] { serve(listener, echo_until_end); });
  std::vector<Task<void>> clients;
  clients.reserve(static_cast<std::size_t>(connections));
  for (int i = 0; i < connections; ++i) {
    clients.push_back(spawn([i, times, address = listener.local_address()] {
      ask_and_compare(address, "question of client " + std::to_string(i), times);
    }));
  }
  for (Task<void>& client : clients) client.get();
  listener.close();
  server.get();
}

TEST(Tcp, EchoesOnManyConnectionsAtOnce) {
  run([] { echo_over(50, 40); });
}

TEST(Tcp, HoldsAThousandConnections) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, echo_until_end); });
    std::vector<TcpStream> streams;
    streams.reserve(1000);
    for (int i = 0; i < 1000; ++i) streams.push_back(TcpStream::connect(listener.local_address()));
    for (std::size_t i = 0; i < streams.size(); ++i) streams[i].write_all(std::to_string(1000 + i));
    for (std::size_t i = 0; i < streams.size(); ++i) {
      std::string answer(4, '?');
      streams[i].read_exactly(bytes_of(answer));
      ASSERT_EQ(answer, std::to_string(1000 + i));
    }
    streams.clear();
    listener.close();
    server.get();
  });
}

TEST(Tcp, OneHalfGoesOnWhenTheOtherHasEnded) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.write_all("request");
    client.shutdown();
    EXPECT_EQ(server.read_to_end(100), "request");
    server.write_all("reply");
    server.close();
    EXPECT_EQ(client.read_to_end(100), "reply");
    EXPECT_FALSE(error_of([&] { client.write_all("too late"); }) == std::error_code());
  });
}

TEST(Tcp, EndStaysTheEnd) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.close();
    std::array<std::byte, 8> buffer;
    EXPECT_EQ(server.read_some(buffer), 0U);
    EXPECT_EQ(server.read_some(buffer), 0U);
    EXPECT_EQ(server.read_to_end(0), "");
  });
}

TEST(Tcp, EmptyReadsAndWritesDoNothing) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    EXPECT_EQ(client.read_some({}), 0U);
    client.read_exactly({});
    client.write_all("");
    client.write_all(std::span<const iovec>());
    client.close();
    EXPECT_EQ(server.read_to_end(10), "");
  });
}

TEST(Tcp, IncompleteReadHoldsWhatCame) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.write_all("abc");
    client.close();
    std::string text(4, '?');
    try {
      server.read_exactly(bytes_of(text));
      ADD_FAILURE() << "it was complete";
    } catch (const IncompleteRead& error) {
      EXPECT_EQ(error.partial.size(), 3U);
      EXPECT_EQ(error.partial.front(), std::byte{'a'});
      EXPECT_THAT(error.what(), HasSubstr(server.peer_address().to_string()));
    }
  });
}

TEST(Tcp, PartsArriveInOrderHoweverMany) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    std::vector<std::string> texts(300);
    std::string all;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      texts[i].assign(i % 7 == 0 ? 0 : 5000, static_cast<char>('a' + i % 26));
      all += texts[i];
    }
    std::vector<iovec> parts;
    parts.reserve(texts.size());
    for (std::string& text : texts) parts.push_back({text.data(), text.size()});
    auto [received, nothing] = gather([&] { return server.read_to_end(all.size()); },
                                      [&] {
                                        client.write_all(parts);
                                        client.shutdown();
                                      });
    EXPECT_TRUE(received == all);
  });
}

TEST(Tcp, RefusedConnectionNamesTheAddress) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const SocketAddress address = listener.local_address();
    listener.close();
    EXPECT_EQ(error_of([&] { TcpStream::connect(address); }), std::errc::connection_refused);
    EXPECT_THAT(message_of([&] { TcpStream::connect(address); }),
                HasSubstr("connect to " + address.to_string()));
    EXPECT_THAT(message_of([&] { TcpStream::connect("127.0.0.1", address.port()); }),
                HasSubstr(address.to_string()));
  });
}

TEST(Tcp, BindingATakenPortNamesTheAddress) {
  const TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  const SocketAddress address = listener.local_address();
  EXPECT_EQ(error_of([&] { TcpListener::bind(address); }), std::errc::address_in_use);
  EXPECT_THAT(message_of([&] { TcpListener::bind(address); }),
              HasSubstr("listen on " + address.to_string()));
}

TEST(Tcp, PortIsSharedOnRequest) {
  const TcpListener first = TcpListener::bind("127.0.0.1", 0, {.reuse_port = true});
  const TcpListener second =
      TcpListener::bind("127.0.0.1", first.local_port(), {.reuse_port = true});
  EXPECT_EQ(first.local_port(), second.local_port());
}

TEST(Tcp, NameIsConnectedTo) {
  run([] {
    TcpListener listener = TcpListener::bind("", 0);
    auto [client, server] =
        gather([&] { return TcpStream::connect("localhost", listener.local_port()); },
               [&] { return listener.accept(); });
    client.write_all("hi");
    client.shutdown();
    EXPECT_EQ(server.read_to_end(10), "hi");
  });
}

TEST(Tcp, SpeaksIpv6) {
  run([] {
    std::optional<TcpListener> listener;
    try {
      listener = TcpListener::bind("::1", 0, {.ipv6_only = true});
    } catch (const std::system_error& error) {
      GTEST_SKIP() << error.what();
    }
    Connected pair = connect_to(*listener);
    TcpStream &client = pair.client, &server = pair.server;
    EXPECT_THAT(client.peer_address().to_string(), HasSubstr("[::1]:"));
    EXPECT_EQ(server.peer_address(), client.local_address());
  });
}

TEST(Tcp, BothEndsKnowBothAddresses) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Connected pair = connect_to(listener);
    TcpStream &client = pair.client, &server = pair.server;
    EXPECT_EQ(client.peer_address(), listener.local_address());
    EXPECT_EQ(server.local_address(), listener.local_address());
    EXPECT_EQ(server.peer_address(), client.local_address());
    EXPECT_NE(client.local_address().port(), 0);
  });
}

int nodelay_of(const TcpStream& stream) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(::getsockopt(stream.native_handle(), IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
  return value;
}

TEST(Tcp, SmallWritesGoOutAtOnceUnlessToldOtherwise) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    EXPECT_EQ(nodelay_of(client), 1);
    EXPECT_EQ(nodelay_of(server), 1);
    client.set_nodelay(false);
    EXPECT_EQ(nodelay_of(client), 0);
  });
}

TEST(Tcp, ResetInMidWriteEndsThatFiberAlone) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    Connected other = connect_pair();
    TcpStream &other_client = other.client, &other_server = other.server;
    const std::string block(1 << 20, 'b');
    Task<void> writer = spawn([&] {
      for (;;) client.write_all(block);
    });
    std::string start(1000, '?');
    server.read_exactly(bytes_of(start));
    reset(server);
    const std::error_code code = error_of([&] { writer.get(); });
    EXPECT_TRUE(code == std::errc::connection_reset || code == std::errc::broken_pipe)
        << code.message();
    EXPECT_THAT(message_of([&] { writer.get(); }), HasSubstr("write to 127.0.0.1:"));
    other_client.write_all("alive");
    other_client.shutdown();
    EXPECT_EQ(other_server.read_to_end(10), "alive");
  });
}

TEST(Tcp, ResetIsAnErrorForWhoeverReads) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    Task<std::string> reader = spawn([&] { return client.read_to_end(10); });
    yield();
    reset(server);
    EXPECT_EQ(error_of([&] { reader.get(); }), std::errc::connection_reset);
  });
}

// The number may be somebody else's by then.
TEST(Tcp, WhatIsClosedHasNoNativeHandle) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Connected pair = connect_pair();
    EXPECT_GE(pair.client.native_handle(), 0);
    pair.client.close();
    EXPECT_EQ(pair.client.native_handle(), -1);
    EXPECT_GE(listener.native_handle(), 0);
    listener.close();
    EXPECT_EQ(listener.native_handle(), -1);
  });
}

TEST(Tcp, HandleThatNeverWasIsABadDescriptor) {
  run([] {
    TcpStream stream;
    TcpListener listener;
    std::array<std::byte, 1> buffer;
    EXPECT_FALSE(stream.is_open());
    EXPECT_EQ(stream.native_handle(), -1);
    EXPECT_TRUE(stream.peer_address().empty());
    stream.close();
    listener.close();
    EXPECT_EQ(error_of([&] { stream.read_some(buffer); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { stream.write_all("x"); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { listener.accept(); }), std::errc::bad_file_descriptor);
  });
}

TEST(Tcp, MovedStreamGoesOnUnderItsNewName) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.write_all("ab");
    EXPECT_EQ(server.read_until("a"), "a");
    TcpStream moved = std::move(server);
    EXPECT_FALSE(server.is_open());  // NOLINT(bugprone-use-after-move)
    client.close();
    EXPECT_EQ(moved.read_to_end(10), "b");
  });
}

TEST(Tcp, PlainThreadMayNotWait) {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  EXPECT_THROW(listener.accept(), std::logic_error);
  EXPECT_THAT(message_of([&] { TcpStream::connect("127.0.0.1", 1); }), HasSubstr("weft::run"));
}

TEST(Tcp, HandlesOutliveTheRuntimeAndServeTheNext) {
  Connected pair = run([] {
    Connected made = connect_pair();
    std::array<std::byte, 8> buffer;
    // Makes the driver watch it.
    EXPECT_THROW(timeout(std::chrono::milliseconds(1), [&] { made.server.read_some(buffer); }),
                 TimeoutError);
    return made;
  });
  EXPECT_TRUE(pair.server.is_open());
  run([&] {
    Task<std::string> reader = spawn([&] { return pair.server.read_until("\n"); });
    yield();
    pair.client.write_all("again\n");
    EXPECT_EQ(reader.get(), "again\n");
  });
  std::thread([&] { pair.server.close(); }).join();
  EXPECT_FALSE(pair.server.is_open());
}

}  // namespace
}  // namespace weft
