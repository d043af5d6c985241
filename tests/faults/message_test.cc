// Goal: what fails while messages, pipes and descriptors travel is told to who called, or tried
// again, and nothing is lost, doubled or left open. Method: each call fails in each way under
// traffic that would show it.

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "faults/bounded.h"
#include "faults/injector.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::Call;
using faults::Fault;
using faults::Injection;
using testing::HasSubstr;

constexpr int kDatagrams = 100;

struct UdpPair {
  UdpSocket from = UdpSocket::bind("127.0.0.1", 0), to = UdpSocket::bind("127.0.0.1", 0);
  UdpPair() { from.connect_to(to.local_address()); }
};

std::string datagram(int number) {
  return std::to_string(number) + std::string(static_cast<std::size_t>(number % 7), 'x');
}

void send_many(UdpSocket& from) {
  std::vector<std::string> texts;
  for (int i = 0; i < kDatagrams; ++i) texts.push_back(datagram(i));
  std::vector<OutgoingDatagram> all;
  for (const std::string& text : texts) all.push_back({std::as_bytes(std::span(text)), {}});
  for (std::size_t sent = 0; sent < all.size();)
    sent += from.send_some(std::span(all).subspan(sent));
}

void receive_one_by_one(UdpSocket& to) {
  for (int i = 0; i < kDatagrams; ++i) {
    std::string text(100, ' ');
    text.resize(to.receive(bytes_of(text)).size);
    EXPECT_EQ(text, datagram(i));
  }
}

void receive_many(UdpSocket& to) {
  std::array<std::array<std::byte, 100>, 10> buffers;
  std::array<DatagramSlot, 10> slots;
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i].buffer = buffers[i];
  for (int next = 0; next < kDatagrams;) {
    const std::size_t got = to.receive_some(slots);
    for (std::size_t i = 0; i < got; ++i, ++next) {
      const Datagram& came = slots[i].datagram;
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(buffers[i].data()), came.size),
                datagram(next));
    }
  }
}

void datagrams() {
  UdpPair pair;
  gather([&] { send_many(pair.from); }, [&] { receive_one_by_one(pair.to); });
  gather([&] { send_many(pair.from); }, [&] { receive_many(pair.to); });
}

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('!' + i % 83);
  return text;
}

void through_a_pipe() {
  Pipe pipe = Pipe::open();
  const std::string text = pattern(200'000);
  std::string received(text.size(), ' ');
  gather([&] { pipe.writer.write_all(text); },
         [&] { pipe.reader.read_exactly(bytes_of(received)); });
  EXPECT_TRUE(received == text);
}

void with_descriptors() {
  auto [ours, theirs] = UnixStream::pair();
  const std::string text = pattern(3'000);
  const std::array passed{STDIN_FILENO, STDERR_FILENO};
  for (int round = 0; round < 5; ++round) {
    ours.write_with_descriptors(std::as_bytes(std::span(text)), passed);
    std::string received, some(text.size(), ' ');
    std::size_t descriptors = 0;
    while (received.size() < text.size()) {
      const ReceivedDescriptors came = theirs.read_with_descriptors(bytes_of(some));
      received.append(some, 0, came.size);
      descriptors += came.descriptors.size();
      EXPECT_FALSE(came.truncated);
    }
    EXPECT_TRUE(received == text);
    EXPECT_EQ(descriptors, 2U);
  }
}

// From TCP to TCP, by a pipe between them, to a pipe, and from that to a file.
void copies() {
  const std::string text = pattern(300'000);
  Connected in = connect_pair(), out = connect_pair();
  Pipe pipe = Pipe::open();
  File file = File::open("/dev/null", O_WRONLY);
  std::string received(text.size(), ' ');
  gather([&] { in.client.write_all(text), in.client.write_all(text), in.client.shutdown(); },
         [&] {
           EXPECT_EQ(copy(in.server, out.client, text.size()), text.size());
           EXPECT_EQ(copy(in.server, pipe.writer), text.size());
           pipe.writer.close();
         },
         [&] {
           out.server.read_exactly(bytes_of(received));
           EXPECT_TRUE(received == text);
           EXPECT_EQ(copy(pipe.reader, file), text.size());
         });
}

// ---- What nobody is to notice.

void all_traffic() {
  datagrams();
  through_a_pipe();
  with_descriptors();
  copies();
}

class MessagesRetried : public testing::TestWithParam<Fault> {};

TEST_P(MessagesRetried, NothingOfItShows) {
  for (const unsigned workers : {1U, 2U}) {
    faults::bounded(workers, [] {
      all_traffic();
      const std::size_t open = process_counts().descriptors;
      Fault fault = GetParam();
      fault.times = faults::kAlways;
      fault.one_in = 2;
      const Injection injection({&fault, 1}, faults::Where::kWorkers, 1);
      EXPECT_EQ(message_of(all_traffic), "nothing was thrown");
      EXPECT_GT(Injection::hits(), 0U);
      EXPECT_EQ(process_counts().descriptors, open);
    });
  }
}

// The short recvmsg is of a stream's bytes: a datagram would be cut. What is refused is done
// without.
INSTANTIATE_TEST_SUITE_P(
    Calls, MessagesRetried,
    testing::Values(
        Fault{.call = Call::kReceiveMessage, .error = EINTR},
        Fault{.call = Call::kReceiveMessage, .error = EAGAIN},
        Fault{.call = Call::kReceiveMessage, .most = 1000},
        Fault{.call = Call::kReceiveMany, .error = EINTR},
        Fault{.call = Call::kReceiveMany, .error = EAGAIN},
        Fault{.call = Call::kReceiveMany, .most = 1}, Fault{.call = Call::kReceiveMany, .most = 3},
        Fault{.call = Call::kSendMany, .error = EINTR},
        Fault{.call = Call::kSendMany, .error = EAGAIN}, Fault{.call = Call::kSendMany, .most = 1},
        Fault{.call = Call::kSendMany, .most = 3}, Fault{.call = Call::kRead, .error = EINTR},
        Fault{.call = Call::kRead, .error = EAGAIN}, Fault{.call = Call::kRead, .most = 1000},
        Fault{.call = Call::kSplice, .error = EINTR}, Fault{.call = Call::kSplice, .error = EAGAIN},
        Fault{.call = Call::kSplice, .most = 1000}, Fault{.call = Call::kSplice, .error = EINVAL},
        Fault{.call = Call::kSplice, .error = ENOSYS},
        Fault{.call = Call::kSplice, .error = EPERM}),
    [](const auto& fault) { return name_of(fault.param, fault.index); });

TEST(Copy, DoesWithoutAPipeOfItsOwn) {
  faults::bounded(2, [] {
    Connected in = connect_pair(), out = connect_pair();
    in.client.write_all("without a pipe");
    in.client.shutdown();
    const Injection injection(
        Fault{.call = Call::kPipe, .error = EMFILE, .times = faults::kAlways});
    EXPECT_EQ(copy(in.server, out.client), 14U);
    EXPECT_EQ(Injection::hits(), 1U);
    out.client.shutdown();
    EXPECT_EQ(out.server.read_to_end(100), "without a pipe");
  });
}

// Whichever of the calls it is that fails, what was taken is still to be had.
TEST(Copy, ThatFailsIsTakenUpAgain) {
  faults::bounded(2, [] {
    const std::string text = pattern(600'000);
    Connected in = connect_pair(), out = connect_pair();
    Task<void> writer = spawn([&] {
      in.client.write_all(text);
      in.client.shutdown();
    });
    Task<std::string> reader = spawn([&] { return out.server.read_to_end(text.size()); });
    std::size_t failed = 0;
    for (bool ended = false; !ended;) {
      const Injection injection(
          Fault{.call = Call::kSplice, .error = ENOMEM, .skip = static_cast<unsigned>(failed % 7)});
      try {
        copy(in.server, out.client);
        ended = true;
      } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::not_enough_memory);
        EXPECT_THAT(error.what(), HasSubstr("copy 127.0.0.1:"));
        ++failed;
      }
    }
    EXPECT_GT(failed, 2U);
    writer.get();
    out.client.shutdown();
    EXPECT_TRUE(std::move(reader).get() == text);
  });
}

// ---- What who called is to be told.

struct Told {
  Fault fault;
  const char* operation;
  void (*call)();
};

class MessagesReported : public testing::TestWithParam<Told> {};

TEST_P(MessagesReported, OnceAndNothingIsLost) {
  for (const unsigned workers : {1U, 2U}) {
    faults::bounded(workers, [] {
      const Told& told = GetParam();
      told.call();
      const std::size_t open = process_counts().descriptors;
      const Injection injection(told.fault);
      told.call();
      EXPECT_EQ(Injection::hits(), 1U);
      EXPECT_EQ(process_counts().descriptors, open);
    });
  }
}

// The first call may fail, as it is told to, and says what it was; the second one does not.
template <class F>
void twice(F&& call) {
  try {
    call();
    return;
  } catch (const std::system_error& error) {
    const Told& told = MessagesReported::GetParam();
    EXPECT_EQ(error.code().value(), told.fault.error);
    EXPECT_THAT(error.what(), HasSubstr(std::string(told.operation) + ' '));
  }
  call();
}

void receive_one() {
  UdpPair pair;
  pair.from.send("one");
  std::string text(10, ' ');
  twice([&] { text.resize(pair.to.receive(bytes_of(text)).size); });
  EXPECT_EQ(text, "one");
}

void receive_some() {
  UdpPair pair;
  send_many(pair.from);
  std::string text(10, ' ');
  DatagramSlot slot{bytes_of(text)};
  twice([&] { EXPECT_EQ(pair.to.receive_some({&slot, 1}), 1U); });
  EXPECT_EQ(text.substr(0, slot.datagram.size), datagram(0));
}

void send_some() {
  UdpPair pair;
  twice([&] { send_many(pair.from); });
  receive_one_by_one(pair.to);
}

void receive_descriptors() {
  auto [ours, theirs] = UnixStream::pair();
  const std::array passed{STDIN_FILENO};
  const std::array<std::byte, 3> data{};
  ours.write_with_descriptors(data, passed);
  std::array<std::byte, 10> buffer;
  twice([&, &theirs = theirs] {
    const ReceivedDescriptors came = theirs.read_with_descriptors(buffer);
    EXPECT_EQ(came.size, 3U);
    EXPECT_EQ(came.descriptors.size(), 1U);
  });
}

void read_pipe() {
  Pipe pipe = Pipe::open();
  pipe.writer.write_all("whole\n");
  twice([&] { EXPECT_EQ(pipe.reader.read_until("\n"), "whole\n"); });
}

INSTANTIATE_TEST_SUITE_P(
    Calls, MessagesReported,
    testing::Values(
        Told{{.call = Call::kReceiveMessage, .error = ENOMEM}, "receive on", receive_one},
        Told{{.call = Call::kReceiveMessage, .error = ENOBUFS}, "receive on", receive_one},
        Told{{.call = Call::kReceiveMessage, .error = ECONNREFUSED}, "receive on", receive_one},
        Told{{.call = Call::kReceiveMessage, .error = ENOMEM}, "read from", receive_descriptors},
        Told{
            {.call = Call::kReceiveMessage, .error = ECONNRESET}, "read from", receive_descriptors},
        Told{{.call = Call::kReceiveMany, .error = ENOMEM}, "receive on", receive_some},
        Told{{.call = Call::kReceiveMany, .error = ECONNREFUSED}, "receive on", receive_some},
        Told{{.call = Call::kSendMany, .error = ENOBUFS}, "send to", send_some},
        Told{{.call = Call::kSendMany, .error = ENOMEM}, "send to", send_some},
        Told{{.call = Call::kSendMany, .error = ECONNREFUSED}, "send to", send_some},
        Told{{.call = Call::kRead, .error = ENOMEM}, "read from", read_pipe},
        Told{{.call = Call::kRead, .error = EIO}, "read from", read_pipe}),
    [](const auto& told) { return name_of(told.param.fault, told.index); });

}  // namespace
}  // namespace weft
