// Goal: large transfers are complete and in order, in both directions at once and under slow
// readers. Method: every byte is a function of its position, so the receiver needs nothing but a
// counter.

#include <algorithm>
#include <vector>

#include "support/build_kind.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

constexpr std::size_t kTotal = std::size_t{1 << 20} * support::scaled(48);

// A period that divides no power of two, so that no buffer's size hides a shift.
constexpr std::size_t kPeriod = 251;

std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size + kPeriod);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % kPeriod);
  return bytes;
}

void send(TcpStream& stream, std::size_t block) {
  const std::vector<std::byte> bytes = pattern(block);
  for (std::size_t sent = 0; sent < kTotal;) {
    const std::size_t size = std::min(block, kTotal - sent);
    stream.write_all(std::span(bytes).subspan(sent % kPeriod, size));
    sent += size;
  }
  stream.shutdown();
}

std::size_t receive(TcpStream& stream, std::size_t block) {
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

void transfer_both_ways(std::size_t write_block, std::size_t read_block) {
  run([&] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    auto [a, b, there, back] = gather(
        [&] { send(client, write_block); }, [&] { send(server, write_block); },
        [&] { return receive(server, read_block); }, [&] { return receive(client, read_block); });
    EXPECT_EQ(there, kTotal);
    EXPECT_EQ(back, kTotal);
  });
}

TEST(Transfer, BothWaysAtOnceInLargeBlocks) { transfer_both_ways(1 << 20, 1 << 18); }
TEST(Transfer, BothWaysAtOnceInOddBlocks) { transfer_both_ways(70'001, 9'973); }
TEST(Transfer, BothWaysAtOnceWithAReaderOfSmallBlocks) { transfer_both_ways(1 << 18, 1'499); }

}  // namespace
}  // namespace weft
