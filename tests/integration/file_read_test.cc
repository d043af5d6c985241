// Goal: a file is read line by line and by other delimiters, with its position always behind what
// was returned. Method: files in a folder of the test's own, longer and shorter than what is read
// ahead.

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using testing::ElementsAre;
using testing::HasSubstr;

class FileReading : public testing::Test {
 protected:
  File open(const std::string& text, int flags = O_RDWR) const {
    return File::open(folder_.write("file", text), flags);
  }

 private:
  const TemporaryFolder folder_;
};

std::vector<std::string> lines_of(File& file) {
  std::vector<std::string> all;
  for (std::string& line : lines(file)) all.push_back(std::move(line));
  return all;
}

TEST_F(FileReading, LinesEndInAnyWay) {
  run([&] {
    File file = open("one\ntwo\r\n\n\r\nlast");
    EXPECT_THAT(lines_of(file), ElementsAre("one", "two", "", "", "last"));
    EXPECT_EQ(file.position(), file.size());
    EXPECT_EQ(file.read_line(), std::nullopt);
    File empty = open("");
    EXPECT_THAT(lines_of(empty), ElementsAre());
  });
}

TEST_F(FileReading, ManyLinesOfAllLengths) {
  run([&] {
    std::string text;
    std::vector<std::string> wanted;
    for (std::size_t i = 0; i < 3000; ++i) {
      wanted.emplace_back(i % 301, static_cast<char>('a' + i % 26));
      text += wanted.back() + '\n';
    }
    File file = open(text);
    std::size_t at = 0;
    for (const std::string& line : wanted) {
      ASSERT_EQ(file.position(), at);
      ASSERT_EQ(file.read_line(), line);
      at += line.size() + 1;
    }
    EXPECT_EQ(file.read_line(), std::nullopt);
  });
}

TEST_F(FileReading, EveryWayToReadGoesOnWhereTheOtherEnded) {
  run([&] {
    File file = open("line\nkey=value;12345678rest of it");
    EXPECT_EQ(file.read_line(), "line");
    EXPECT_EQ(file.read_until("="), "key=");
    EXPECT_EQ(file.read_until(";"), "value;");
    std::string digits(4, ' ');
    file.read_exactly(bytes_of(digits));
    EXPECT_EQ(digits, "1234");
    EXPECT_EQ(file.read_some(bytes_of(digits)), 4U);
    EXPECT_EQ(digits, "5678");
    EXPECT_EQ(file.position(), 23U);
    EXPECT_EQ(file.read_to_end(100), "rest of it");
    EXPECT_EQ(file.read_to_end(100), "");
    EXPECT_EQ(file.position(), file.size());
  });
}

TEST_F(FileReading, SeekAndWriteForgetWhatWasReadAhead) {
  run([&] {
    File file = open("one\ntwo\nthree\n");
    EXPECT_EQ(file.read_line(), "one");
    file.write_all("TWO");
    EXPECT_EQ(file.position(), 7U);
    EXPECT_EQ(file.read_line(), "");
    EXPECT_EQ(file.read_line(), "three");
    file.seek(4);
    EXPECT_EQ(file.read_line(), "TWO");
    file.write_at("THREE", 8);
    EXPECT_EQ(file.read_line(), "three");  // as it was when it was read
    file.seek(8);
    EXPECT_EQ(file.read_line(), "THREE");
  });
}

TEST_F(FileReading, CopyToAFileForgetsItToo) {
  run([&] {
    File file = open("one\ntwo\nthree\n");
    EXPECT_EQ(file.read_line(), "one");
    Pipe pipe = Pipe::open();
    pipe.writer.write_all("TWO");
    pipe.writer.close();
    EXPECT_EQ(copy(pipe.reader, file), 3U);
    EXPECT_EQ(file.position(), 7U);
    EXPECT_EQ(file.read_to_end(100), "\nthree\n");
    file.seek(0);
    EXPECT_EQ(file.read_to_end(100), "one\nTWO\nthree\n");
  });
}

TEST_F(FileReading, WhatFailsMovesNoPosition) {
  run([&] {
    File file = open("a\n1234567890");
    EXPECT_EQ(file.read_line(), "a");
    std::string more(11, ' ');
    EXPECT_THROW(file.read_exactly(bytes_of(more)), IncompleteRead);
    EXPECT_EQ(file.position(), 2U);
    EXPECT_THROW(file.read_until(";"), IncompleteRead);
    EXPECT_EQ(file.position(), 2U);
    EXPECT_THROW(file.read_line(5), LimitExceeded);
    EXPECT_THROW(file.read_to_end(9), LimitExceeded);
    EXPECT_THAT(message_of([&] { file.read_line(5); }),
                HasSubstr("file': no delimiter within 5 bytes"));
    EXPECT_EQ(file.position(), 2U);
    EXPECT_EQ(file.read_to_end(10), "1234567890");
  });
}

TEST_F(FileReading, NothingComesFromAFileThatWasClosed) {
  run([&] {
    File file = open("a\nb\nc\n");
    EXPECT_EQ(file.read_line(), "a");
    file.close();
    EXPECT_EQ(error_of([&] { file.read_line(); }), std::errc::bad_file_descriptor);
    std::string some(1, ' ');
    EXPECT_EQ(error_of([&] { file.read_some(bytes_of(some)); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([] { File().read_line(); }), HasSubstr("(no file)"));
    EXPECT_THAT(message_of([] { File().read_some({}); }), HasSubstr("(no file)"));
  });
}

TEST_F(FileReading, EndsWhereOffsetsEnd) {
  run([&] {
    File file = open("text");
    file.seek(std::numeric_limits<off_t>::max() - 10);
    EXPECT_EQ(file.read_line(), std::nullopt);
    file.seek(std::numeric_limits<off_t>::max());
    EXPECT_EQ(file.read_line(), std::nullopt);
    file.seek(std::uint64_t{1} << 63);
    EXPECT_EQ(error_of([&] { file.read_line(); }), std::errc::value_too_large);
  });
}

}  // namespace
}  // namespace weft
