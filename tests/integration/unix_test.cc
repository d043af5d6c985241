// Goal: connections over Unix sockets are streams like those over TCP, and tell who is at the other
// end. Method: both ends in one program; files in a folder of the test's own.

#include <weft/unix.h>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "support/process_state.h"
#include "support/serve_error_log.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::HasSubstr;

struct Ends {
  UnixStream client, server;
};

Ends connect_over(const std::string& path) {
  UnixListener listener = UnixListener::bind(path);
  auto [client, server] =
      gather([&] { return UnixStream::connect(path); }, [&] { return listener.accept(); });
  return {std::move(client), std::move(server)};
}

TEST(Unix, CarriesBytesBothWays) {
  run([] {
    const TemporaryFolder folder;
    for (const std::string& path : {folder / "socket", "@weft_test_" + std::to_string(getpid())}) {
      auto [client, server] = connect_over(path);
      client.write_all("question\n");
      EXPECT_EQ(server.read_until("\n"), "question\n");
      const std::string much(std::size_t{1} << 20, 'm');
      Task<void> writer = spawn([&server = server, &much] {
        server.write_all(much);
        server.shutdown();
      });
      EXPECT_EQ(client.read_to_end(2 * much.size()), much);
      writer.get();
      client.write_all("still open");
      client.close();
      EXPECT_EQ(server.read_to_end(100), "still open");
    }
  });
}

TEST(Unix, PairIsConnected) {
  auto [one, other] = UnixStream::pair();
  run([&one = one, &other = other] {
    one.write_all("to the other");
    other.write_all("to the one");
    one.shutdown();
    other.shutdown();
    EXPECT_EQ(other.read_to_end(100), "to the other");
    EXPECT_EQ(one.read_to_end(100), "to the one");
    EXPECT_EQ(one.peer_path(), "");
    other.close();
    EXPECT_THAT(message_of([&] { one.write_all("x"); }), HasSubstr("write to socket pair"));
  });
}

TEST(Unix, PartsArriveInOrder) {
  run([] {
    auto [one, other] = UnixStream::pair();
    std::vector<std::string> pieces;
    std::string whole;
    std::vector<iovec> parts;
    for (int i = 0; i < 500; ++i) pieces.push_back(std::to_string(i) + std::string(i % 100, '.'));
    for (std::string& piece : pieces) {
      parts.push_back({piece.data(), piece.size()});
      whole += piece;
    }
    Task<void> writer = spawn([&one = one, &parts] {
      one.write_all(std::span<const iovec>(parts));
      one.close();
    });
    EXPECT_EQ(other.read_to_end(100'000), whole);
    writer.get();
  });
}

TEST(Unix, TellsWhoAndWhereThePeerIs) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder / "socket";
    auto [client, server] = connect_over(path);
    for (UnixStream* end : {&client, &server}) {
      const PeerCredentials peer = end->peer_credentials();
      EXPECT_EQ(peer.process, ::getpid());
      EXPECT_EQ(peer.user, ::geteuid());
      EXPECT_EQ(peer.group, ::getegid());
    }
    EXPECT_EQ(client.peer_path(), path);
    EXPECT_EQ(server.local_path(), path);
    EXPECT_EQ(client.local_path(), "");
    EXPECT_EQ(server.peer_path(), "");
    client.close();
    EXPECT_EQ(error_of([&client = client] { client.peer_credentials(); }),
              std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&client = client] { client.peer_path(); }), std::errc::bad_file_descriptor);
  });
}

TEST(Unix, AbstractNamesNeedNoFileAndAreTold) {
  run([] {
    const std::string name = "@weft_test_abstract_" + std::to_string(::getpid());
    {
      UnixListener listener = UnixListener::bind(name);
      UnixStream client = UnixStream::connect(name);
      EXPECT_EQ(client.peer_path(), name);
      EXPECT_EQ(error_of([&] { UnixListener::bind(name); }), std::errc::address_in_use);
    }
    EXPECT_EQ(error_of([&] { UnixStream::connect(name); }), std::errc::connection_refused);
    EXPECT_FALSE(std::filesystem::exists(name));
    UnixListener::bind(name);
  });
}

TEST(Unix, BadPathsAreNamedInTheError) {
  run([] {
    const TemporaryFolder folder;
    const std::string too_long = folder / std::string(100, 'l');
    ASSERT_GT(too_long.size(), 107U);
    const std::size_t open = process_counts().descriptors;
    EXPECT_EQ(error_of([&] { UnixStream::connect(too_long); }), std::errc::filename_too_long);
    EXPECT_EQ(error_of([&] { UnixListener::bind(too_long); }), std::errc::filename_too_long);
    EXPECT_THAT(message_of([&] { UnixListener::bind(too_long); }), HasSubstr(too_long));
    EXPECT_EQ(error_of([] { UnixStream::connect(""); }), std::errc::invalid_argument);
    EXPECT_EQ(error_of([] { UnixListener::bind(std::string("a\0b", 3)); }),
              std::errc::invalid_argument);
    const std::string missing = folder / "missing";
    EXPECT_EQ(error_of([&] { UnixStream::connect(missing); }),
              std::errc::no_such_file_or_directory);
    EXPECT_THAT(message_of([&] { UnixStream::connect(missing); }),
                HasSubstr("connect to " + missing));
    EXPECT_EQ(process_counts().descriptors, open);
    // The longest that fit: with the zero byte that ends a path, and without.
    const std::string just_fits = folder / std::string(107 - folder.path().size() - 1, 'l');
    std::string abstract = "@weft_test_long_" + std::to_string(::getpid());
    abstract.resize(108, 'a');
    for (const std::string& path : {just_fits, abstract}) {
      auto [client, server] = connect_over(path);
      EXPECT_EQ(client.peer_path(), path);
    }
  });
}

TEST(Unix, PeerThatLeavesDataUnreadResets) {
  run([] {
    auto [one, other] = UnixStream::pair();
    one.write_all("never read");
    other.close();
    std::string byte(1, ' ');
    EXPECT_EQ(error_of([&one = one, &byte] { one.read_some(bytes_of(byte)); }),
              std::errc::connection_reset);
    EXPECT_EQ(error_of([&one = one] { one.write_all("x"); }), std::errc::broken_pipe);
  });
}

TEST(Unix, CancelledAndTimedOutReadsLoseNothing) {
  run([] {
    auto [one, other] = UnixStream::pair();
    std::string eight(8, ' ');
    for (int round = 0; round < 20; ++round) {
      Task<void> reader = spawn([&other = other, &eight] { other.read_exactly(bytes_of(eight)); });
      one.write_all("1234");
      sleep_for(std::chrono::microseconds(500));
      reader.cancel();
      EXPECT_THROW(reader.get(), Cancelled);
      EXPECT_THROW(timeout(milliseconds(1), [&other = other] { other.read_until("#"); }),
                   TimeoutError);
      one.write_all("5678");
      other.read_exactly(bytes_of(eight));
      EXPECT_EQ(eight, "12345678");
    }
  });
}

TEST(Unix, CloseEndsReadersWritersAndAccept) {
  run([] {
    const TemporaryFolder folder;
    UnixListener listener = UnixListener::bind(folder / "socket");
    auto [one, other] = UnixStream::pair();
    const std::string much(std::size_t{8} << 20, 'm');
    std::string byte(1, ' ');
    Task<std::error_code> accepting = spawn([&] { return error_of([&] { listener.accept(); }); });
    Task<std::error_code> reader =
        spawn([&one = one, &byte] { return error_of([&] { one.read_some(bytes_of(byte)); }); });
    Task<std::error_code> writer =
        spawn([&one = one, &much] { return error_of([&] { one.write_all(much); }); });
    sleep_for(milliseconds(3));
    std::thread([&one = one, &listener] {
      one.close();
      listener.close();
    }).join();
    for (Task<std::error_code>* task : {&accepting, &reader, &writer}) {
      EXPECT_EQ(task->get(), std::errc::operation_canceled);
    }
    EXPECT_EQ(error_of([&] { listener.accept(); }), std::errc::bad_file_descriptor);
    EXPECT_FALSE(listener.is_open());
  });
}

TEST(Unix, ConnectWaitsWhileTheBacklogIsFull) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder / "socket";
    UnixListener listener = UnixListener::bind(path, {.backlog = 0});
    const std::size_t open = process_counts().descriptors;
    UnixStream queued = UnixStream::connect(path);
    EXPECT_THROW(timeout(milliseconds(5), [&] { UnixStream::connect(path); }), TimeoutError);
    Task<UnixStream> waiting = spawn([&] { return UnixStream::connect(path); });
    sleep_for(milliseconds(5));
    EXPECT_FALSE(waiting.done());
    listener.accept();
    UnixStream client = std::move(waiting).get();
    EXPECT_TRUE(client.is_open());
    listener.accept();
    client.close();
    queued.close();
    EXPECT_EQ(process_counts().descriptors, open) << "those that were given up left something";
  });
}

TEST(Unix, AdoptsAConnectedSocketAndNothingElse) {
  run([] {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    UnixStream one = UnixStream::adopt(ends[0]), other = UnixStream::adopt(ends[1]);
    one.write_all("adopted");
    one.close();
    EXPECT_EQ(other.read_to_end(10), "adopted");
    const std::size_t open = process_counts().descriptors;
    EXPECT_EQ(error_of([] { UnixStream::adopt(::socket(AF_UNIX, SOCK_STREAM, 0)); }),
              std::errc::not_connected);
    EXPECT_EQ(error_of([] { UnixStream::adopt(::open("/dev/null", O_RDWR)); }),
              std::errc::not_a_socket);
    EXPECT_EQ(error_of([] { UnixStream::adopt(-1); }), std::errc::bad_file_descriptor);
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    EXPECT_EQ(error_of([&] { UnixStream::adopt(ends[0]); }), std::errc::wrong_protocol_type);
    EXPECT_EQ(error_of([&] { TcpStream::adopt(ends[1]); }), std::errc::wrong_protocol_type);
    EXPECT_EQ(process_counts().descriptors, open);
  });
}

TEST(Unix, ServesConnectionsAndNamesThemInErrors) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder / "socket";
    UnixListener listener = UnixListener::bind(path);
    ServeErrorLog log;
    ServeOptions options = log.options();
    options.max_connections = 3;
    Task<void> server = spawn([&] {
      serve(
          listener,
          [](UnixStream& stream) {
            const std::string line = stream.read_until("\n");
            if (line == "fail\n") throw std::runtime_error("asked for");
            stream.write_all(line);
          },
          options);
    });
    const auto ask = [&](const std::string& line) {
      UnixStream stream = UnixStream::connect(path);
      stream.write_all(line);
      return stream.read_to_end(100);
    };
    std::vector<Task<std::string>> clients;
    for (int i = 0; i < 40; ++i) {
      clients.push_back(spawn([&ask, i] { return ask(std::to_string(i) + '\n'); }));
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      EXPECT_EQ(clients[i].get(), std::to_string(i) + '\n');
    }
    EXPECT_EQ(ask("fail\n"), "");
    listener.close();
    server.get();
    const std::vector<ServeError> errors = log.errors();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].name, "client of " + path);
    EXPECT_TRUE(errors[0].address.empty());
    EXPECT_FALSE(std::filesystem::exists(path));
  });
}

TEST(Unix, NeverOpenedFailsAndPlainThreadIsRefused) {
  UnixStream none;
  EXPECT_EQ(error_of([&] { none.peer_credentials(); }), std::errc::bad_file_descriptor);
  UnixListener no_listener;
  EXPECT_EQ(error_of([&] { no_listener.path(); }), std::errc::bad_file_descriptor);
  no_listener.close();
  EXPECT_THROW(UnixStream::connect("@nobody"), std::logic_error);
  UnixListener listener = UnixListener::bind("@weft_test_plain_" + std::to_string(::getpid()));
  EXPECT_THROW(listener.accept(), std::logic_error);
}

}  // namespace
}  // namespace weft
