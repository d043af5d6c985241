// Goal: what goes in at one end comes out at the other, complete and in order, in both directions
// at once, under updates of the keys and on many connections. Method: every byte is a function of
// its position, so the receiver needs nothing but a counter.

#include <algorithm>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/temporary_folder.h"
#include "support/tls.h"
#include "support/unread.h"

namespace weft {
namespace {

using namespace support;

// A period that divides no power of two, so that no buffer's size hides a shift.
constexpr std::size_t kPeriod = 251;

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size + kPeriod);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % kPeriod);
  return bytes;
}

void send(TlsStream& stream, std::size_t total, std::size_t block, bool update_keys = false) {
  const std::vector<std::byte> bytes = pattern(block);
  for (std::size_t sent = 0; sent < total;) {
    const std::size_t size = std::min(block, total - sent);
    if (update_keys) stream.update_keys();
    stream.write_all(std::span(bytes).subspan(sent % kPeriod, size));
    sent += size;
  }
  stream.shutdown();
}

std::size_t receive(TlsStream& stream, std::size_t block) {
  const std::vector<std::byte> expected = pattern(block);
  std::vector<std::byte> buffer(block);
  std::size_t received = 0;
  while (const std::size_t got = stream.read_some(buffer)) {
    if (!std::equal(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got),
                    expected.begin() + static_cast<std::ptrdiff_t>(received % kPeriod))) {
      ADD_FAILURE() << "wrong data after " << received << " bytes";
      return received;
    }
    received += got;
  }
  return received;
}

void transfer_both_ways(const TlsContext& context, std::size_t total, std::size_t write_block,
                        std::size_t read_block, bool update_keys = false) {
  run([&] {
    TlsConnected pair = tls_pair(context);
    TlsStream &client = pair.client, &server = pair.server;
    auto [a, b, there, back] = gather([&] { send(client, total, write_block, update_keys); },
                                      [&] { send(server, total, write_block, update_keys); },
                                      [&] { return receive(server, read_block); },
                                      [&] { return receive(client, read_block); });
    EXPECT_EQ(there, total);
    EXPECT_EQ(back, total);
  });
}

constexpr std::size_t kTotal = std::size_t{1 << 20} * support::scaled(32);

TEST(TlsTransfer, BothWaysAtOnceInLargeBlocks) {
  transfer_both_ways(client_context(), kTotal, 1 << 20, 1 << 18);
}

TEST(TlsTransfer, BothWaysAtOnceInOddBlocks) {
  transfer_both_ways(client_context(), kTotal, 70'001, 9'973);
}

TEST(TlsTransfer, BothWaysAtOnceInTls12) {
  TlsClientOptions options = client_options();
  options.max_version = TlsVersion::kTls12;
  transfer_both_ways(TlsContext::client(options), kTotal, 70'001, 1 << 18);
}

// Each side answers each update of the other while it writes and updates on its own.
TEST(TlsTransfer, BothWaysAtOnceUnderUpdatesOfTheKeys) {
  transfer_both_ways(client_context(), kTotal / 4, 10'007, 1 << 16, true);
}

// Neither side's reader may wait for the peer to read: both peers write first and read then.
TEST(TlsTransfer, AnAnswerDoesNotStopTheReader) {
  run([] {
    TlsConnected pair = tls_pair();
    TlsStream &client = pair.client, &server = pair.server;
    constexpr std::size_t kMuch = std::size_t{8} << 20;
    // The server writes without reading; the client's kernel buffers are full of what it has to
    // answer when it reads.
    Task<void> clogged = spawn([&] { client.write_all(std::string(kMuch, 'c')); });
    Task<void> writer = spawn([&] {
      for (int i = 0; i < 64; ++i) {
        server.update_keys();
        server.write_all(std::string(kMuch / 64, 's'));
      }
      server.shutdown();
    });
    EXPECT_EQ(client.read_to_end(kMuch).size(), kMuch);
    EXPECT_FALSE(clogged.done());
    writer.get();
    std::string all(kMuch, ' ');
    server.read_exactly(bytes_of(all));
    EXPECT_TRUE(all == std::string(kMuch, 'c'));
    clogged.get();
  });
}

TEST(TlsTransfer, SendsAFile) {
  run([] {
    const TemporaryFolder folder;
    const std::vector<std::byte> bytes = pattern(1'000'000);
    write_file(folder / "file", bytes);
    TlsConnected pair = tls_pair();
    TlsStream &client = pair.client, &server = pair.server;
    Task<void> sender = spawn([&] {
      const File file = File::open(folder / "file");
      EXPECT_EQ(copy(file, client, 0, UINT64_MAX), bytes.size());
      client.shutdown();
    });
    EXPECT_EQ(receive(server, 1 << 16), bytes.size());
    sender.get();
  });
}

TEST(TlsTransfer, ManyConnectionsAtOnce) {
  constexpr int kConnections = 200;
  run([] {
    const TlsContext client = client_context(), server = server_context();
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> serving = spawn([&] {
      serve(listener, [&](TcpStream stream) {
        TlsStream tls = TlsStream::accept(std::move(stream), server);
        for (int i = 0; i < 5; ++i) tls.write_all(tls.read_until("\n"));
        tls.shutdown();
      });
    });
    std::vector<Task<int>> clients;
    for (int number = 0; number < kConnections; ++number) {
      clients.push_back(spawn([&, number] {
        TlsStream tls = TlsStream::connect("localhost", listener.local_port(), client);
        int right = 0;
        for (int i = 0; i < 5; ++i) {
          const std::string line =
              std::to_string(number) + std::string(static_cast<std::size_t>(i) * 5000, 'x') + "\n";
          tls.write_all(line);
          right += tls.read_until("\n") == line;
        }
        EXPECT_EQ(tls.read_to_end(1), "");
        return right;
      }));
    }
    for (Task<int>& each : clients) EXPECT_EQ(each.get(), 5);
    listener.close();
    serving.get();
  });
}

TEST(TlsTransfer, ToPeersThatNeverReadCostsLittle) {
  run([] {
    const TlsContext client = client_context(), server = server_context();
    // OpenSSL's buffers, and a record that has not left.
    constexpr std::size_t kMost = std::size_t{128} << 10;
    expect_unread_to_cost<TlsStream>(kMost, [&] {
      Connected below = connect_pair();
      keep_little(below.client.native_handle());
      auto [writer, peer] = shake_hands(std::move(below), client, server);
      return Unread<TlsStream>::Ends{std::move(writer), std::move(peer)};
    });
  });
}

// What the headers promise. (An overflow ends the program.)
TEST(TlsStack, SixtyFourKibibytesAreEnough) {
  run([] {
    const TlsContext client = client_context(), server = server_context();
    Connected pair = connect_pair();
    const SpawnOptions small{.stack_size = std::size_t{64} * 1024};
    Task<TlsStream> one = spawn(
        small, [&] { return TlsStream::client(std::move(pair.client), "localhost", client); });
    Task<TlsStream> other =
        spawn(small, [&] { return TlsStream::accept(std::move(pair.server), server); });
    TlsStream left = std::move(one).get(), right = std::move(other).get();
    Task<void> sender = spawn(small, [&] { send(left, 1 << 20, 70'001); });
    EXPECT_EQ(receive(right, 1 << 16), std::size_t{1} << 20);
    sender.get();
  });
}

}  // namespace
}  // namespace weft
