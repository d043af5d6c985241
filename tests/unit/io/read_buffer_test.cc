// Goal: bytes leave the buffer in the order in which they came, however the two sides chop them.
// Method: a random series of calls, checked against a plain string; a failing seed is printed and
// can be put into kSeed.

#include "io/read_buffer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/rng.h"

namespace weft::detail {
namespace {

constexpr std::uint64_t kSeed = 20260101;

void receive(ReadBuffer& buffer, std::string_view text, std::size_t most) {
  while (!text.empty()) {
    const std::span<std::byte> room = buffer.room(most);
    ASSERT_GE(room.size(), 1U);
    ASSERT_LE(room.size(), most);
    const std::size_t count = std::min(room.size(), text.size());
    std::memcpy(room.data(), text.data(), count);
    buffer.commit(count);
    text.remove_prefix(count);
  }
}

std::string take(ReadBuffer& buffer, std::size_t most) {
  std::string text(most, '?');
  text.resize(buffer.take(std::as_writable_bytes(std::span(text))));
  return text;
}

TEST(ReadBuffer, StartsEmpty) {
  ReadBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(take(buffer, 10), "");
  EXPECT_EQ(buffer.take_all(), "");
}

TEST(ReadBuffer, GivesOutInPartsWhatCameInParts) {
  ReadBuffer buffer;
  receive(buffer, "hello, world", 5);
  EXPECT_EQ(buffer.text(), "hello, world");
  EXPECT_EQ(take(buffer, 3), "hel");
  EXPECT_EQ(buffer.take_text(4), "lo, ");
  EXPECT_EQ(buffer.take_all(), "world");
  EXPECT_TRUE(buffer.empty());
}

// What an idle connection keeps.
TEST(ReadBuffer, StaysSmallUntilItIsFilled) {
  ReadBuffer buffer;
  const std::string small(300, 's'), large(5000, 'l');
  for (int i = 0; i < 100; ++i) {
    ASSERT_LE(buffer.room(100'000).size(), 512U);
    receive(buffer, small, 100'000);
    ASSERT_EQ(take(buffer, 1000), small);
  }
  receive(buffer, large, 100'000);
  EXPECT_GE(buffer.room(100'000).size(), 4096U);
  EXPECT_EQ(take(buffer, 10'000), large);
}

TEST(ReadBuffer, TakesBackWhatWasTaken) {
  ReadBuffer buffer;
  receive(buffer, "abcdef", 100);
  const std::string taken = take(buffer, 100);
  buffer.put_back(std::as_bytes(std::span(taken)).first(4));
  receive(buffer, "X", 100);
  EXPECT_EQ(buffer.take_all(), "abcdX");
}

TEST(ReadBuffer, IsAQueueOfBytes) {
  SCOPED_TRACE(kSeed);
  Rng rng(kSeed);
  ReadBuffer buffer;
  std::string expected;
  for (int step = 0; step < 20'000; ++step) {
    if (rng.below(2) == 0) {
      std::string text(rng.below(rng.below(50) == 0 ? 100'000 : 50), 'a');
      for (char& c : text) c = static_cast<char>(rng.next());
      receive(buffer, text, 1 + rng.below(10'000));
      expected += text;
    } else {
      const std::size_t most = rng.below(rng.below(20) == 0 ? 200'000 : 60);
      ASSERT_EQ(take(buffer, most), expected.substr(0, most));
      expected.erase(0, most);
    }
    ASSERT_EQ(buffer.size(), expected.size());
  }
  EXPECT_EQ(buffer.take_all(), expected);
}

}  // namespace
}  // namespace weft::detail
