// Goal: what comes from a stream goes to another, or to a file, complete, once and in order:
// between all kinds of both, in parts, and when it is cancelled in the middle, again and again.
// Method: every byte is a function of its position, so that the far end needs nothing but a
// counter.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <weft/copy.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "support/build_kind.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

// A period that divides no power of two, so that no buffer's size hides a shift.
std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('!' + i % 83);
  return text;
}

// Something to write to at one end and to read from at the other.
struct Channel {
  std::unique_ptr<Stream, void (*)(Stream*)> writer, reader;
};

template <class End>
std::unique_ptr<Stream, void (*)(Stream*)> end_of(End&& end) {
  return {new End(std::move(end)), [](Stream* stream) { delete static_cast<End*>(stream); }};
}

Channel open_channel(const std::string& kind) {
  if (kind == "Pipe") {
    Pipe pipe = Pipe::open();
    return {end_of(std::move(pipe.writer)), end_of(std::move(pipe.reader))};
  }
  if (kind == "Unix") {
    auto [one, other] = UnixStream::pair();
    return {end_of(std::move(one)), end_of(std::move(other))};
  }
  if (kind == "Shared") {  // as a program's standard input or output
    Pipe pipe = Pipe::open();
    return {end_of(InheritedStream::open(pipe.writer.native_handle(), "shared writer")),
            end_of(InheritedStream::open(pipe.reader.native_handle(), "shared reader"))};
  }
  Connected pair = connect_pair();
  return {end_of(std::move(pair.client)), end_of(std::move(pair.server))};
}

constexpr const char* kKinds[] = {"Pipe", "Unix", "Tcp", "Shared"};

class CopyBetween : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  static Channel source() { return open_channel(std::get<0>(GetParam())); }
  static Channel sink() { return open_channel(std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(, CopyBetween,
                         testing::Combine(testing::ValuesIn(kKinds), testing::ValuesIn(kKinds)),
                         [](const auto& kinds) {
                           return std::string(std::get<0>(kinds.param)) + "And" +
                                  std::get<1>(kinds.param);
                         });

// More than both channels hold: each waits for the other, at either end.
TEST_P(CopyBetween, CarriesALot) {
  run([] {
    Channel in = source(), out = sink();
    const std::string text = pattern((std::size_t{1 << 20} * scaled(12)) + 17);
    Task<void> writer = spawn([&] {
      in.writer->write_all(text);
      in.writer->close();
    });
    Task<std::uint64_t> copier = spawn([&] {
      const std::uint64_t count = copy(*in.reader, *out.writer);
      out.writer->close();
      return count;
    });
    const std::string received = out.reader->read_to_end(text.size());
    writer.get();
    EXPECT_EQ(copier.get(), text.size());
    EXPECT_TRUE(received == text);
  });
}

// What has been received and not been asked for comes first, and what was not asked for stays.
TEST_P(CopyBetween, TakesAsMuchAsItIsTold) {
  run([] {
    Channel in = source(), out = sink();
    in.writer->write_all("head\n0123456789abcdef");
    EXPECT_EQ(in.reader->read_until("\n"), "head\n");
    EXPECT_EQ(copy(*in.reader, *out.writer, 0), 0U);
    EXPECT_EQ(copy(*in.reader, *out.writer, 4), 4U);
    in.writer->write_all("ghij");
    EXPECT_EQ(copy(*in.reader, *out.writer, 14), 14U);
    in.writer->close();
    std::string rest(2, ' ');
    in.reader->read_exactly(bytes_of(rest));
    EXPECT_EQ(rest, "ij");
    EXPECT_EQ(copy(*in.reader, *out.writer), 0U);
    out.writer->close();
    EXPECT_EQ(out.reader->read_to_end(100), "0123456789abcdefgh");
  });
}

// By turns the source is empty and the sink is full; the copy is cancelled wherever it may be.
TEST_P(CopyBetween, CancelledLosesNothing) {
  run([] {
    Channel in = source(), out = sink();
    const std::string text = pattern(std::size_t{1 << 18} * scaled(12));
    std::atomic<int> cancelled{0};
    Task<void> writer = spawn([&] {
      for (std::size_t at = 0; at < text.size(); at += 10'000) {
        in.writer->write_all(std::string_view(text).substr(at, 10'000));
        if (at % 130'000 == 0) sleep_for(microseconds(300));
      }
      until([&] { return cancelled > 0; });
      in.writer->close();
    });
    Task<std::string> reader = spawn([&] {
      std::string all, some(9'000, ' ');
      while (const std::size_t got = out.reader->read_some(bytes_of(some))) {
        all.append(some, 0, got);
        if (all.size() % 7 == 0) sleep_for(microseconds(300));
      }
      return all;
    });
    for (bool ended = false; !ended;) {
      Task<void> copier = spawn([&] { copy(*in.reader, *out.writer); });
      sleep_for(microseconds(200));
      copier.cancel();
      try {
        copier.get();
        ended = true;
      } catch (const Cancelled&) {
        ++cancelled;
      }
    }
    writer.get();
    out.writer->close();
    const std::string received = std::move(reader).get();
    EXPECT_EQ(received.size(), text.size());
    EXPECT_TRUE(received == text);
  });
}

// And no signal ends the process.
TEST_P(CopyBetween, SinkThatBreaksLeavesTheRest) {
  run([] {
    Channel in = source(), out = sink();
    in.writer->write_all("before");
    EXPECT_EQ(copy(*in.reader, *out.writer, 6), 6U);
    std::string before(6, ' ');
    out.reader->read_exactly(bytes_of(before));
    out.reader->close();
    const std::string text = pattern(2'000'000);
    Task<void> writer = spawn([&] {
      in.writer->write_all(text);
      in.writer->close();
    });
    const std::error_code code = error_of([&] { copy(*in.reader, *out.writer); });
    EXPECT_TRUE(code == std::errc::broken_pipe || code == std::errc::connection_reset) << code;
    // What the sink had taken before it told of its end is gone with it; what follows is not.
    const std::string rest = in.reader->read_to_end(text.size());
    writer.get();
    EXPECT_GT(rest.size(), text.size() / 4);
    EXPECT_TRUE(text.ends_with(rest));
  });
}

TEST_P(CopyBetween, CloseOfEitherEndsIt) {
  run([] {
    for (const bool closes_source : {true, false}) {
      Channel in = source(), out = sink();
      in.writer->write_all("x");
      Task<void> copier = spawn([&] { copy(*in.reader, *out.writer); });
      std::string x(1, ' ');
      out.reader->read_exactly(bytes_of(x));
      Stream& closed = closes_source ? *in.reader : *out.writer;
      // A copy that waits for its source does not see its sink close before there is something.
      closed.close();
      if (!closes_source) in.writer->write_all("y");
      const std::error_code code = error_of([&] { copier.get(); });
      EXPECT_TRUE(code == std::errc::operation_canceled || code == std::errc::bad_file_descriptor)
          << code;
    }
  });
}

TEST(Copy, NamesBothEnds) {
  run([] {
    Pipe pipe = Pipe::open();
    Connected pair = connect_pair();
    const std::string peer = pair.client.peer_address().to_string();
    pair.client.close();
    EXPECT_THAT(message_of([&] {
                  pipe.writer.write_all("x");
                  copy(pipe.reader, pair.client);
                }),
                HasSubstr("copy pipe to " + peer));
    TcpStream none;
    EXPECT_EQ(error_of([&] { copy(pipe.reader, none); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { copy(none, pipe.writer); }), std::errc::bad_file_descriptor);
  });
}

TEST(Copy, NeedsAFiber) {
  Pipe one = Pipe::open(), other = Pipe::open();
  EXPECT_THROW(copy(one.reader, other.writer), std::logic_error);
}

TEST(Copy, LeavesNoDescriptor) {
  run([] {
    Connected in = connect_pair(), out = connect_pair();
    const std::size_t open = process_counts().descriptors;
    in.client.write_all("0123456789");
    copy(in.server, out.client, 5);
    EXPECT_THROW(timeout(milliseconds(5), [&] { copy(in.server, out.client); }), TimeoutError);
    EXPECT_EQ(process_counts().descriptors, open);
    std::string text(10, ' ');
    out.server.read_exactly(bytes_of(text));
    EXPECT_EQ(text, "0123456789");
  });
}

// ---- To a file.

class CopyToFile : public testing::TestWithParam<const char*> {
 protected:
  static Channel source() { return open_channel(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(, CopyToFile, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string(kind.param); });

TEST_P(CopyToFile, WritesFromThePositionOn) {
  run([] {
    const TemporaryFolder folder;
    File file = File::open(folder.write("file", "0123456789"), O_RDWR);
    Channel in = source();
    in.writer->write_all("head\nabcdef");
    in.reader->read_until("\n");
    file.seek(3);
    EXPECT_EQ(copy(*in.reader, file, 4), 4U);
    EXPECT_EQ(file.position(), 7U);
    const std::string text = pattern(500'000);
    Task<void> writer = spawn([&] {
      in.writer->write_all(text);
      in.writer->close();
    });
    EXPECT_EQ(copy(*in.reader, file), text.size() + 2);
    writer.get();
    EXPECT_EQ(file.position(), text.size() + 9);
    EXPECT_TRUE(read_file(folder / "file", 1'000'000) == "012abcdef" + text);
  });
}

TEST_P(CopyToFile, CancelledIsTakenUpAgain) {
  run([] {
    const TemporaryFolder folder;
    File file = File::open(folder / "file", O_RDWR | O_CREAT);
    Channel in = source();
    const std::string text = pattern(std::size_t{1 << 18} * scaled(8));
    std::atomic<int> cancelled{0};
    Task<void> writer = spawn([&] {
      for (std::size_t at = 0; at < text.size(); at += 10'000) {
        in.writer->write_all(std::string_view(text).substr(at, 10'000));
        if (at % 130'000 == 0) sleep_for(microseconds(300));
      }
      until([&] { return cancelled > 0; });
      in.writer->close();
    });
    for (bool ended = false; !ended;) {
      Task<void> copier = spawn([&] { copy(*in.reader, file); });
      sleep_for(microseconds(200));
      copier.cancel();
      try {
        copier.get();
        ended = true;
      } catch (const Cancelled&) {
        ++cancelled;
      }
      EXPECT_EQ(file.position(), file.size());
    }
    writer.get();
    EXPECT_TRUE(read_file(folder / "file", text.size()) == text);
  });
}

TEST_P(CopyToFile, Appends) {
  run([] {
    const TemporaryFolder folder;
    File file = File::open(folder.write("file", "there already "), O_WRONLY | O_APPEND);
    Channel in = source();
    in.writer->write_all("and added");
    in.writer->close();
    EXPECT_EQ(copy(*in.reader, file), 9U);
    EXPECT_EQ(read_file(folder / "file", 100), "there already and added");
  });
}

TEST_P(CopyToFile, FailureLeavesTheRest) {
  run([] {
    const TemporaryFolder folder;
    File file = File::open(folder.write("file", ""), O_RDONLY);
    Channel in = source();
    in.writer->write_all("kept");
    EXPECT_EQ(error_of([&] { copy(*in.reader, file); }), std::errc::bad_file_descriptor);
    File full = File::open("/dev/full", O_WRONLY);
    EXPECT_EQ(error_of([&] { copy(*in.reader, full); }), std::errc::no_space_on_device);
    in.writer->close();
    EXPECT_EQ(in.reader->read_to_end(100), "kept");
  });
}

}  // namespace
}  // namespace weft
