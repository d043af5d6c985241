// Goal: streams are read line by line, whatever the pieces they come in, with a limit for what a
// peer may send. Method: pipes.

#include <weft/lines.h>

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> lines_of(std::string_view text, std::size_t piece) {
  Pipe pipe = Pipe::open();
  Task<void> writer = spawn([&] {
    for (std::size_t at = 0; at < text.size(); at += piece) {
      pipe.writer.write_all(text.substr(at, piece));
      yield();
    }
    pipe.writer.close();
  });
  std::vector<std::string> all;
  for (std::string& line : lines(pipe.reader)) all.push_back(std::move(line));
  writer.get();
  return all;
}

TEST(Lines, EndInAnyWayAndComeInAnyPieces) {
  run([] {
    for (const std::size_t piece : {1U, 2U, 3U, 100U}) {
      EXPECT_THAT(lines_of("one\ntwo\r\n\n\r\nlast", piece),
                  ElementsAre("one", "two", "", "", "last"));
      EXPECT_THAT(lines_of("ended\n", piece), ElementsAre("ended"));
      EXPECT_THAT(lines_of("\r in \r the middle\r\r\n\r", piece),
                  ElementsAre("\r in \r the middle\r", "\r"));
      EXPECT_THAT(lines_of("", piece), ElementsAre());
      EXPECT_THAT(lines_of("\n", piece), ElementsAre(""));
    }
  });
}

TEST(Lines, LimitIsForOneLineAndTakesNothing) {
  run([] {
    Pipe pipe = Pipe::open();
    pipe.writer.write_all("123\n4567\n89");
    pipe.writer.close();
    EXPECT_EQ(pipe.reader.read_line(4), "123");
    EXPECT_THROW(pipe.reader.read_line(4), LimitExceeded);
    EXPECT_THAT(message_of([&] { pipe.reader.read_line(4); }),
                HasSubstr("read_line from pipe: no delimiter within 4 bytes"));
    EXPECT_EQ(pipe.reader.read_line(5), "4567");
    EXPECT_EQ(pipe.reader.read_line(5), "89");
    EXPECT_EQ(pipe.reader.read_line(5), std::nullopt);
    EXPECT_EQ(pipe.reader.read_line(5), std::nullopt);
  });
}

TEST(Lines, LoopIsLeftAndTakenUpAgain) {
  run([] {
    Connected pair = connect_pair();
    pair.client.write_all("a\nb\nc\nd\n");
    pair.client.shutdown();
    std::string before;
    for (const std::string& line : lines(pair.server)) {
      before += line;
      if (line == "b") break;
    }
    EXPECT_EQ(before, "ab");
    EXPECT_EQ(pair.server.read_line(), "c");
    EXPECT_EQ(pair.server.read_to_end(10), "d\n");
  });
}

TEST(Lines, CancelledReaderLosesNothing) {
  run([] {
    Pipe pipe = Pipe::open();
    for (int round = 0; round < 20; ++round) {
      pipe.writer.write_all("half a ");
      EXPECT_THROW(timeout(milliseconds(1), [&] { pipe.reader.read_line(); }), TimeoutError);
      pipe.writer.write_all("line\n");
      EXPECT_EQ(pipe.reader.read_line(), "half a line");
    }
    pipe.writer.close();
    EXPECT_EQ(pipe.reader.read_line(), std::nullopt);
  });
}

}  // namespace
}  // namespace weft
