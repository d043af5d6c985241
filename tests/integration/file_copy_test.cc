// Goal: what a file has goes to a stream complete and in order, whatever the file and the stream
// are. Method: the other end of the stream reads and compares.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using testing::AllOf;
using testing::HasSubstr;

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('0' + i % 73);
  return text;
}

TEST(FileCopy, SendsAPart) {
  run([] {
    const TemporaryFolder folder;
    const File file = File::open(folder.write("file", "0123456789"));
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    EXPECT_EQ(copy(file, client, 2, 3), 3U);
    EXPECT_EQ(copy(file, client, 7, 100), 3U) << "there is no more";
    EXPECT_EQ(copy(file, client, 100, 5), 0U);
    EXPECT_EQ(copy(file, client, 0, 0), 0U);
    client.shutdown();
    EXPECT_EQ(server.read_to_end(100), "234789");
  });
}

// More than the socket takes at once: the fiber waits for the reader.
TEST(FileCopy, SendsALot) {
  run([] {
    const TemporaryFolder folder;
    const std::string text = pattern((std::size_t{24} << 20) + 17);
    const File file = File::open(folder.write("file", text));
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    Task<std::uint64_t> sender = spawn([&] { return copy(file, client, 0, UINT64_MAX); });
    sleep_for(std::chrono::milliseconds(5));
    EXPECT_FALSE(sender.done());
    std::string received(text.size(), ' ');
    server.read_exactly(bytes_of(received));
    EXPECT_EQ(sender.get(), text.size());
    EXPECT_TRUE(received == text);
  });
}

TEST(FileCopy, OfWhatHasNoSize) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    const File zeros = File::open("/dev/zero");
    EXPECT_EQ(copy(zeros, client, 0, 100'000), 100'000U);
    const File status = File::open("/proc/self/status");
    const std::uint64_t size = copy(status, client, 0, 1'000'000);
    EXPECT_GT(size, 100U);
    client.shutdown();
    const std::string received = server.read_to_end(1'000'000);
    EXPECT_EQ(received.size(), 100'000 + size);
    EXPECT_THAT(received.substr(100'000), HasSubstr("VmRSS"));
  });
}

struct Collector {
  std::string text;
  void write_all(std::span<const std::byte> data) {
    text.append(reinterpret_cast<const char*>(data.data()), data.size());
  }
};

TEST(FileCopy, ToAnythingThatWrites) {
  run([] {
    const TemporaryFolder folder;
    const std::string text = pattern(200'000);
    const File file = File::open(folder.write("file", text));
    Collector all, part;
    EXPECT_EQ(copy(file, all, 0, UINT64_MAX), text.size());
    EXPECT_TRUE(all.text == text);
    EXPECT_EQ(copy(file, part, 65'530, 70'000), 70'000U);
    EXPECT_TRUE(part.text == text.substr(65'530, 70'000));
  });
}

TEST(FileCopy, TellsBothEndsWhenItFails) {
  run([] {
    const TemporaryFolder folder;
    const std::string path = folder.write("file", pattern(std::size_t{16} << 20));
    const File file = File::open(path);
    Connected pair = connect_pair();
    reset(pair.server);
    const auto send = [&] { copy(file, pair.client, 0, UINT64_MAX); };
    const std::error_code code = error_of(send);
    EXPECT_TRUE(code == std::errc::broken_pipe || code == std::errc::connection_reset) << code;
    EXPECT_THAT(message_of(send), AllOf(HasSubstr("copy '" + path + "' to 127.0.0.1:")));
    pair.client.close();
    EXPECT_EQ(error_of(send), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] {
                TcpStream none;
                copy(file, none, 0, 1);
              }),
              std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] {
                Connected other = connect_pair();
                copy(File(), other.client, 0, 1);
              }),
              std::errc::bad_file_descriptor);
  });
}

TEST(FileCopy, IsCancelledAndClosedWhileItWaits) {
  run([] {
    const TemporaryFolder folder;
    const std::string text = pattern(std::size_t{16} << 20);
    const File file = File::open(folder.write("file", text));
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    Task<void> sender = spawn([&] { copy(file, client, 0, UINT64_MAX); });
    sleep_for(std::chrono::milliseconds(20));
    sender.cancel();
    EXPECT_THROW(sender.get(), Cancelled);
    Task<std::string> reader = spawn([&] { return server.read_to_end(text.size() + 100); });
    client.write_all("|and on");
    client.shutdown();
    const std::string received = std::move(reader).get();
    const std::size_t sent = received.size() - 7;
    EXPECT_TRUE(received == text.substr(0, sent) + "|and on");

    Connected other = connect_pair();
    Task<void> closed = spawn([&] { copy(file, other.client, 0, UINT64_MAX); });
    sleep_for(std::chrono::milliseconds(20));
    other.client.close();
    const std::error_code code = error_of([&] { closed.get(); });
    // Closed meanwhile; or before, if it was just not waiting.
    EXPECT_TRUE(code == std::errc::operation_canceled || code == std::errc::bad_file_descriptor)
        << code;
  });
}

}  // namespace
}  // namespace weft
