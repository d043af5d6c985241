// Goal: large transfers are complete and in order, in both directions at once and under slow
// readers. Method: every byte is a function of its position, so the receiver needs nothing but a
// counter.

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <string>
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

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The peer has ended its half, which is an event of the descriptor, and does not read.
TEST(Transfer, WriterThatWaitsForAHalfClosedPeerCostsNothing) {
  run([] {
    Connected pair = connect_pair();
    pair.client.shutdown();
    const std::string block(std::size_t{16} << 20, 'b');
    const auto part = [&] { return iovec{const_cast<char*>(block.data()), block.size()}; };
    Task<void> writer = spawn([&] { pair.server.write_all(std::array{part(), part()}); });
    Task<void> other = spawn([&] { pair.server.write_all(""); });
    sleep_for(std::chrono::milliseconds(50));
    const double before = cpu_seconds();
    sleep_for(std::chrono::milliseconds(300));
    EXPECT_LT(cpu_seconds() - before, 0.15);
    EXPECT_FALSE(writer.done());
    Task<std::string> reader = spawn([&] { return pair.client.read_to_end(4 * block.size()); });
    writer.get();
    other.get();
    pair.server.shutdown();
    EXPECT_EQ(reader.get().size(), 2 * block.size());
  });
}

// More than a length of 32 bits tells. Pages that were never written to are all one page.
TEST(Transfer, BlocksOfFourGibibytes) {
  if (kSanitized || kChaos) GTEST_SKIP() << "takes too long in this build";
  constexpr std::size_t kSize = std::size_t{4} << 30;
  void* const pages = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) GTEST_SKIP() << "no room for a block of 4 GiB";
  const std::span<std::byte> block(static_cast<std::byte*>(pages), kSize);
  run([&] {
    Connected pair = connect_pair();
    pair.server.write_all("hello");
    EXPECT_EQ(pair.client.read_some(block), 5U);
    EXPECT_GT(timeout(std::chrono::seconds(20),
                      [&] {
                        Task<void> reader = spawn([&] {
                          std::string sink(65536, '?');
                          pair.server.read_some(bytes_of(sink));
                          pair.server.close();
                        });
                        const std::size_t count = pair.client.write_some(block);
                        reader.get();
                        return count;
                      }),
              0U);
  });
  ::munmap(pages, kSize);
}

}  // namespace
}  // namespace weft
