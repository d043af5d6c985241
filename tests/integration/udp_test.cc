// Goal: datagrams go from socket to socket as wholes, what does not fit is told, and what the
// network reports is an error that the socket survives. Method: sockets over the loopback.

#include <weft/udp.h>

#include <gmock/gmock.h>
#include <net/if.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using testing::HasSubstr;

using Buffer = std::array<std::byte, 2000>;

std::string text_of(const Buffer& buffer, const Datagram& datagram) {
  return {reinterpret_cast<const char*>(buffer.data()), datagram.size};
}

bool has_ipv6() {
  try {
    UdpSocket::bind("::1", 0);
  } catch (const std::system_error&) {
    return false;
  }
  return true;
}

// A port that nobody has any more.
SocketAddress deserted() { return UdpSocket::bind("127.0.0.1", 0).local_address(); }

TEST(Udp, DatagramsComeAsTheyWereSentAndSayFromWhom) {
  run([] {
    for (const char* host : {"127.0.0.1", "::1"}) {
      if (std::string_view(host) == "::1" && !has_ipv6()) continue;
      UdpSocket server = UdpSocket::bind(host, 0), client = UdpSocket::bind(host, 0);
      Buffer buffer;
      for (const std::string& text : {std::string("one"), std::string(), std::string(1400, 'x')}) {
        client.send_to(server.local_address(), text);
        const Datagram datagram = server.receive(buffer);
        EXPECT_EQ(text_of(buffer, datagram), text);
        EXPECT_EQ(datagram.peer, client.local_address());
        EXPECT_FALSE(datagram.truncated());
        server.send_to(datagram.peer, text);
        EXPECT_EQ(text_of(buffer, client.receive(buffer)), text);
      }
    }
  });
}

TEST(Udp, ConnectedTalksToOneAlone) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket stranger = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect("127.0.0.1", server.local_port());
    EXPECT_EQ(client.peer_address(), server.local_address());
    EXPECT_TRUE(server.peer_address().empty());
    stranger.send_to(client.local_address(), "not for you");
    client.send("question");
    Buffer buffer;
    const Datagram question = server.receive(buffer);
    EXPECT_EQ(question.peer, client.local_address());
    server.send_to(question.peer, "answer");
    EXPECT_EQ(text_of(buffer, client.receive(buffer)), "answer");
    stranger.connect_to(server.local_address());
    stranger.send("now connected");
    EXPECT_EQ(text_of(buffer, server.receive(buffer)), "now connected");
  });
}

TEST(Udp, WhatDoesNotFitIsTold) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect(server.local_address());
    client.send(std::string(1000, 'l'));
    client.send("short");
    std::array<std::byte, 10> small;
    const Datagram datagram = server.receive(small);
    EXPECT_TRUE(datagram.truncated());
    EXPECT_EQ(datagram.size, 10U);
    EXPECT_EQ(datagram.full_size, 1000U);
    Buffer buffer;
    EXPECT_EQ(text_of(buffer, server.receive(buffer)), "short") << "the rest is gone";
    client.send("x");
    EXPECT_TRUE(server.receive({}).truncated());
    const auto too_large = [&] { client.send(std::string(70'000, 'l')); };
    EXPECT_EQ(error_of(too_large), std::errc::message_size);
    EXPECT_THAT(message_of(too_large), HasSubstr("send to " + server.local_address().to_string()));
  });
}

TEST(Udp, RefusalIsAnErrorThatTheSocketSurvives) {
  run([] {
    const SocketAddress nobody = deserted();
    UdpSocket client = UdpSocket::connect(nobody);
    Buffer buffer;
    client.send("anybody there?");
    EXPECT_EQ(error_of([&] { client.receive(buffer); }), std::errc::connection_refused);
    // One that waits is told as well, and one that sends.
    for (int round = 0; round < 5; ++round) {
      Task<std::error_code> waiter =
          spawn([&] { return error_of([&] { client.receive(buffer); }); });
      sleep_for(milliseconds(1));
      client.send("anybody there?");
      EXPECT_EQ(waiter.get(), std::errc::connection_refused);
    }
    client.send("anybody there?");
    const std::string message = message_of([&] { client.send("again"); });
    EXPECT_THAT(message, HasSubstr("send to " + nobody.to_string()));
    std::array<DatagramSlot, 2> slots{{{buffer}, {buffer}}};
    client.send("anybody there?");
    EXPECT_EQ(error_of([&] { client.receive_some(slots); }), std::errc::connection_refused);

    UdpSocket somebody = UdpSocket::bind(nobody);
    client.send("hello");
    const Datagram datagram = somebody.receive(buffer);
    EXPECT_EQ(text_of(buffer, datagram), "hello");
    Task<std::string> answer = spawn([&] { return text_of(buffer, client.receive(buffer)); });
    sleep_for(milliseconds(1));
    somebody.send_to(datagram.peer, "welcome");
    EXPECT_EQ(answer.get(), "welcome");
  });
}

TEST(Udp, ManyAtOnceGoInOrder) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect(server.local_address());
    constexpr std::size_t kTotal = 2000;
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < kTotal; ++i) texts.push_back("datagram " + std::to_string(i));
    std::vector<std::array<std::byte, 64>> buffers(100);
    std::vector<DatagramSlot> slots;
    for (auto& buffer : buffers) slots.push_back({buffer});
    std::vector<OutgoingDatagram> outgoing;
    std::size_t received = 0, calls = 0;
    for (std::size_t sent = 0; sent < kTotal;) {
      outgoing.clear();
      for (std::size_t i = sent; i < std::min(sent + 100, kTotal); ++i) {
        outgoing.push_back({std::as_bytes(std::span(texts[i]))});
      }
      sent += client.send_some(outgoing);
      while (received < sent) {
        const std::size_t count = server.receive_some(slots);
        ASSERT_GT(count, 0U);
        ++calls;
        for (std::size_t i = 0; i < count; ++i) {
          const Datagram& datagram = slots[i].datagram;
          EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(slots[i].buffer.data()),
                                     datagram.size),
                    texts[received]);
          EXPECT_EQ(datagram.peer, client.local_address());
          ++received;
        }
      }
    }
    EXPECT_LT(calls, kTotal / 4) << "one at a time";
    EXPECT_EQ(server.receive_some({}), 0U);
    EXPECT_EQ(client.send_some({}), 0U);
  });
}

TEST(Udp, SeveralReceiversAndTruncationInABatch) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket one = UdpSocket::bind("127.0.0.1", 0), other = UdpSocket::bind("127.0.0.1", 0);
    std::string first = "first", second(500, 's');
    const std::array outgoing{
        OutgoingDatagram{std::as_bytes(std::span(first)), one.local_address()},
        OutgoingDatagram{std::as_bytes(std::span(second)), other.local_address()},
        OutgoingDatagram{std::as_bytes(std::span(second)), other.local_address()}};
    EXPECT_EQ(server.send_some(outgoing), 3U);
    Buffer buffer;
    EXPECT_EQ(text_of(buffer, one.receive(buffer)), first);
    std::array<std::byte, 8> small;
    std::array<DatagramSlot, 2> slots{{{small}, {buffer}}};
    EXPECT_EQ(other.receive_some(slots), 2U);
    EXPECT_TRUE(slots[0].datagram.truncated());
    EXPECT_EQ(slots[0].datagram.full_size, 500U);
    EXPECT_EQ(text_of(buffer, slots[1].datagram), second);
    const std::array unaddressed{OutgoingDatagram{std::as_bytes(std::span(first))}};
    EXPECT_EQ(error_of([&] { server.send_some(unaddressed); }),
              std::errc::destination_address_required);
    EXPECT_EQ(error_of([&] { server.send(first); }), std::errc::destination_address_required);
  });
}

TEST(Udp, CancelledAndTimedOutReceiversLoseNothing) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect(server.local_address());
    int got = 0;
    for (int round = 0; round < 200; ++round) {
      Task<void> sender = spawn([&client, round] {
        sleep_for(std::chrono::microseconds(round % 20 * 50));
        client.send("x");
      });
      Buffer buffer;
      std::array<DatagramSlot, 4> slots{{{buffer}, {buffer}, {buffer}, {buffer}}};
      const auto receive = [&] {
        if (round % 2 == 0) {
          server.receive(buffer);
          ++got;
        } else {
          got += static_cast<int>(server.receive_some(slots));
        }
      };
      try {
        timeout(std::chrono::microseconds(500), receive);
      } catch (const TimeoutError&) {
        receive();
      }
      sender.get();
    }
    EXPECT_EQ(got, 200);
  });
}

TEST(Udp, SeveralReceiversShareAndCloseEndsThemAll) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect(server.local_address());
    std::atomic<int> got{0};
    std::vector<Task<std::error_code>> receivers;
    for (int i = 0; i < 4; ++i) {
      receivers.push_back(spawn([&, i] {
        return error_of([&] {
          Buffer buffer;
          std::array<DatagramSlot, 3> slots{{{buffer}, {buffer}, {buffer}}};
          for (;;) {
            if (i % 2 == 0) {
              server.receive(buffer);
              ++got;
            } else {
              got += static_cast<int>(server.receive_some(slots));
            }
          }
        });
      }));
    }
    for (int i = 1; i <= 200; ++i) {
      client.send("x");
      if (i % 50 == 0) until([&] { return got == i; });
    }
    EXPECT_GE(server.native_handle(), 0);
    std::thread([&] { server.close(); }).join();
    EXPECT_EQ(server.native_handle(), -1);
    for (Task<std::error_code>& receiver : receivers) {
      const std::error_code code = receiver.get();
      EXPECT_TRUE(code == std::errc::operation_canceled || code == std::errc::bad_file_descriptor)
          << code;
    }
    Buffer buffer;
    EXPECT_EQ(error_of([&] { server.receive(buffer); }), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { server.local_address(); }), std::errc::bad_file_descriptor);
  });
}

// A queue of the smallest size, between sender and receiver: none may wait for a wake-up that does
// not come.
TEST(Udp, SenderGoesOnWhenItsBufferHasRoom) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect(server.local_address());
    client.set_send_buffer(1);
    server.set_receive_buffer(std::size_t{1} << 20);
    const std::string text(1400, 't');
    Buffer buffer;
    for (int i = 0; i < 500; ++i) {
      client.send(text);
      EXPECT_EQ(server.receive(buffer).size, text.size());
    }
  });
}

TEST(Udp, BroadcastNeedsToBeAllowed) {
  run([] {
    UdpSocket socket = UdpSocket::bind("127.0.0.1", 0);
    const SocketAddress all = SocketAddress::parse("127.255.255.255", socket.local_port()).value();
    EXPECT_EQ(error_of([&] { socket.send_to(all, "x"); }), std::errc::permission_denied);
    socket.set_broadcast(true);
    EXPECT_NE(error_of([&] { socket.send_to(all, "x"); }), std::errc::permission_denied);
  });
}

TEST(Udp, GroupsReceiveWhatIsSentToThem) {
  run([] {
    const unsigned loopback = ::if_nametoindex("lo");
    UdpSocket member = UdpSocket::bind("0.0.0.0", 0, {.reuse_address = true});
    UdpSocket second = UdpSocket::bind("0.0.0.0", member.local_port(), {.reuse_address = true});
    const SocketAddress group = SocketAddress::parse("239.7.7.7", member.local_port()).value();
    member.join_group(group, loopback);
    second.join_group(group, loopback);
    UdpSocket sender = UdpSocket::bind("127.0.0.1", 0);
    sender.set_multicast_interface(loopback);
    sender.set_multicast_hops(1);
    sender.set_multicast_loopback(true);
    sender.send_to(group, "to all");
    Buffer buffer;
    EXPECT_EQ(text_of(buffer, member.receive(buffer)), "to all");
    EXPECT_EQ(text_of(buffer, second.receive(buffer)), "to all");
    second.leave_group(group, loopback);
    EXPECT_EQ(error_of([&] { second.leave_group(group, loopback); }),
              std::errc::address_not_available);
    sender.send_to(group, "to one");
    EXPECT_EQ(text_of(buffer, member.receive(buffer)), "to one");
    if (has_ipv6()) {
      UdpSocket both = UdpSocket::bind("", 0);
      both.set_multicast_hops(2);
      both.set_multicast_loopback(false);
      both.set_multicast_interface(loopback);
    }
  });
}

TEST(Udp, ErrorsNameTheAddressAndLeaveNothing) {
  run([] {
    UdpSocket first = UdpSocket::bind("127.0.0.1", 0);
    const std::size_t open = process_counts().descriptors;
    const auto again = [&] { UdpSocket::bind(first.local_address()); };
    EXPECT_EQ(error_of(again), std::errc::address_in_use);
    EXPECT_THAT(message_of(again), HasSubstr("bind to " + first.local_address().to_string()));
    EXPECT_THROW(UdpSocket::connect(SocketAddress()), std::invalid_argument);
    EXPECT_THROW(first.send_to(SocketAddress(), "x"), std::invalid_argument);
    EXPECT_EQ(error_of([] { UdpSocket::bind("192.0.2.1", 0); }), std::errc::address_not_available);
    EXPECT_EQ(process_counts().descriptors, open);
    UdpSocket none;
    EXPECT_EQ(error_of([&] { none.send("x"); }), std::errc::bad_file_descriptor);

    rlimit before;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    rlimit low = before;
    low.rlim_cur = 1;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    const std::error_code code = error_of([] { UdpSocket::bind("127.0.0.1", 0); });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(code, std::errc::too_many_files_open);
  });
  UdpSocket socket = UdpSocket::bind("127.0.0.1", 0);
  Buffer buffer;
  std::array<DatagramSlot, 1> slots{{{buffer}}};
  EXPECT_THROW(socket.receive(buffer), std::logic_error);
  EXPECT_THROW(socket.receive_some(slots), std::logic_error);
}

TEST(Udp, WhoNeverWaitsIsCancellable) {
  run([] {
    UdpSocket server = UdpSocket::bind("127.0.0.1", 0);
    UdpSocket client = UdpSocket::connect(server.local_address());
    const std::string text = "x";
    const std::array outgoing{OutgoingDatagram{std::as_bytes(std::span(text))}};
    Task<void> busy = spawn([&] {
      for (;;) client.send_some(outgoing);
    });
    sleep_for(milliseconds(2));
    busy.cancel();
    EXPECT_THROW(busy.get(), Cancelled);
  });
}

}  // namespace
}  // namespace weft
