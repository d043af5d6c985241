// Goal: the reads that look for something return exactly that, leave the rest, and lose nothing
// when they end otherwise. Method: one connection, whose other end writes in awkward pieces; a
// piece is sent only when the one before has been taken.

#include <array>
#include <stdexcept>

#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;

// Runs `test` at one end, while `pieces` arrive at it one by one.
void with_pieces(const std::vector<std::string>& pieces,
                 const std::function<void(TcpStream&)>& test) {
  run([&] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    gather(
        [&] {
          for (const std::string& piece : pieces) {
            client.write_all(piece);
            sleep_for(milliseconds(1));
          }
          client.shutdown();
        },
        [&] { test(server); });
  });
}

TEST(ReadUntil, ReturnsTheDelimiterTooAndLeavesTheRest) {
  with_pieces({"one\ntwo\nthree"}, [](TcpStream& stream) {
    EXPECT_EQ(stream.read_until("\n"), "one\n");
    EXPECT_EQ(stream.read_until("\n"), "two\n");
    EXPECT_EQ(stream.read_to_end(100), "three");
  });
}

TEST(ReadUntil, FindsADelimiterThatComesInPieces) {
  with_pieces({"head\r", "\n", "\r", "\nbody"}, [](TcpStream& stream) {
    EXPECT_EQ(stream.read_until("\r\n\r\n"), "head\r\n\r\n");
    EXPECT_EQ(stream.read_to_end(100), "body");
  });
}

TEST(ReadUntil, FindsADelimiterAfterAFalseStart) {
  with_pieces({"aaa", "aab", "!"}, [](TcpStream& stream) {
    EXPECT_EQ(stream.read_until("aab"), "aaaaab");
    EXPECT_EQ(stream.read_to_end(100), "!");
  });
}

TEST(ReadUntil, OtherReadsTakeWhatIsLeftFirst) {
  with_pieces({"line\nabcdef", "ghi"}, [](TcpStream& stream) {
    stream.read_until("\n");
    std::string two(2, '?'), seven(7, '?');
    EXPECT_EQ(stream.read_some(bytes_of(two)), 2U);
    stream.read_exactly(bytes_of(seven));
    EXPECT_EQ(two + seven, "abcdefghi");
  });
}

TEST(ReadUntil, LimitCountsTheDelimiter) {
  with_pieces({"1234\n", "1234\n"}, [](TcpStream& stream) {
    EXPECT_EQ(stream.read_until("\n", 5), "1234\n");
    EXPECT_THROW(stream.read_until("\n", 4), LimitExceeded);
  });
}

TEST(ReadUntil, PassedLimitTakesNothing) {
  with_pieces({"12345678", "9\n"}, [](TcpStream& stream) {
    EXPECT_THROW(stream.read_until("\n", 3), LimitExceeded);
    EXPECT_THROW(stream.read_until("\n", 0), LimitExceeded);
    EXPECT_EQ(stream.read_until("\n"), "123456789\n");
  });
}

TEST(ReadUntil, EndWithoutADelimiterIsAnIncompleteRead) {
  with_pieces({"half a li"}, [](TcpStream& stream) {
    try {
      stream.read_until("\n");
      ADD_FAILURE();
    } catch (const IncompleteRead& error) {
      EXPECT_EQ(error.partial.size(), 9U);
    }
    EXPECT_EQ(stream.read_to_end(100), "") << "the partial line was handed out";
  });
}

TEST(ReadUntil, EmptyDelimiterIsAnArgumentError) {
  with_pieces(
      {"x"}, [](TcpStream& stream) { EXPECT_THROW(stream.read_until(""), std::invalid_argument); });
}

TEST(ReadToEnd, LimitIsInclusive) {
  with_pieces({"12345"}, [](TcpStream& stream) { EXPECT_EQ(stream.read_to_end(5), "12345"); });
}

TEST(ReadToEnd, PassedLimitTakesNothing) {
  with_pieces({"123", "45"}, [](TcpStream& stream) {
    EXPECT_THROW(stream.read_to_end(4), LimitExceeded);
    EXPECT_EQ(stream.read_to_end(SIZE_MAX), "12345");
  });
}

TEST(CancelledRead, OfAnExactNumberHasTakenNothing) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.write_all("abc");
    std::string four(4, '?');
    EXPECT_THROW(timeout(milliseconds(20), [&] { server.read_exactly(bytes_of(four)); }),
                 TimeoutError);
    client.write_all("def");
    server.read_exactly(bytes_of(four));
    EXPECT_EQ(four, "abcd");
    std::string two(2, '?');
    EXPECT_EQ(server.read_some(bytes_of(two)), 2U);
    EXPECT_EQ(two, "ef");
  });
}

TEST(CancelledRead, ForADelimiterOrTheEndHasTakenNothing) {
  run([] {
    Connected pair = connect_pair();
    TcpStream &client = pair.client, &server = pair.server;
    client.write_all("abc");
    EXPECT_THROW(timeout(milliseconds(10), [&] { server.read_until("\n"); }), TimeoutError);
    EXPECT_THROW(timeout(milliseconds(10), [&] { server.read_to_end(100); }), TimeoutError);
    client.write_all("\nrest");
    client.shutdown();
    EXPECT_EQ(server.read_until("\n"), "abc\n");
    EXPECT_EQ(server.read_to_end(100), "rest");
  });
}

}  // namespace
}  // namespace weft
