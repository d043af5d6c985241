// Goal: whatever a peer sends, a call ends with an error that says what it was, soon, and nothing
// that came unprotected reaches the program. Method: the peer is a plain TCP end that sends bytes,
// or stands in the middle of two honest ends and changes what they say.

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "support/seed.h"
#include "support/tls.h"

namespace weft {
namespace {

using namespace support;
using testing::AnyOf;
using testing::HasSubstr;

struct Answer {
  std::error_code code;
  std::string what;
};

// Until the other end has closed; it may do that before it has heard all.
void say_and_listen(TcpStream& stream, const std::string& text) {
  error_of([&] {
    stream.write_all(text);
    stream.read_to_end(1'000'000);
  });
}

// What a server makes of a client that says `text`.
Answer server_hears(const std::string& text) {
  static const TlsContext server = server_context();
  Connected pair = connect_pair();
  Answer answer;
  gather(
      [&] {
        try {
          TlsStream::accept(std::move(pair.server), server);
        } catch (const std::system_error& error) {
          answer.code = error.code(), answer.what = error.what();
        }
      },
      [&] { say_and_listen(pair.client, text); });
  return answer;
}

Answer client_hears(const std::string& text) {
  static const TlsContext client = client_context();
  Connected pair = connect_pair();
  Answer answer;
  gather(
      [&] {
        try {
          TlsStream::client(std::move(pair.client), "localhost", client);
        } catch (const std::system_error& error) {
          answer.code = error.code(), answer.what = error.what();
        }
      },
      [&] { say_and_listen(pair.server, text); });
  return answer;
}

TEST(TlsHostile, HttpOnATlsPort) {
  run([] {
    const Answer answer = server_hears("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(answer.code, TlsErrc::kProtocol);
    EXPECT_THAT(answer.what, HasSubstr("http request"));
    EXPECT_THAT(answer.what, HasSubstr("TLS handshake with 127.0.0.1:"));
    EXPECT_THAT(client_hears("HTTP/1.1 400 Bad Request\r\n\r\n").what,
                HasSubstr("wrong version number"));
  });
}

TEST(TlsHostile, AnAlertInTheHandshake) {
  run([] {
    const Answer answer = client_hears(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));
    EXPECT_EQ(answer.code, TlsErrc::kAlert);
    EXPECT_THAT(answer.what, HasSubstr("handshake failure"));
    // One that says good-bye.
    EXPECT_EQ(client_hears(std::string("\x15\x03\x03\x00\x02\x01\x00", 7)).code,
              TlsErrc::kProtocol);
  });
}

TEST(TlsHostile, ARecordTooLarge) {
  run([] {
    const Answer answer =
        client_hears(std::string("\x16\x03\x03\xff\xff", 5) + std::string(70'000, 'x'));
    EXPECT_EQ(answer.code, TlsErrc::kProtocol);
    EXPECT_THAT(answer.what,
                AnyOf(HasSubstr("packet length too long"), HasSubstr("encrypted length too long")));
  });
}

TEST(TlsHostile, AnEndInTheHandshake) {
  run([] {
    const TlsContext client = client_context(), server = server_context();
    Connected one = connect_pair(), other = connect_pair();
    one.server.shutdown();
    EXPECT_EQ(error_of([&] { TlsStream::client(std::move(one.client), "localhost", client); }),
              TlsErrc::kTruncated);
    other.client.shutdown();
    EXPECT_EQ(error_of([&] { TlsStream::accept(std::move(other.server), server); }),
              TlsErrc::kTruncated);
    Connected third = connect_pair();
    reset(third.client);
    const std::error_code code =
        error_of([&] { TlsStream::accept(std::move(third.server), server); });
    EXPECT_TRUE(code == std::errc::connection_reset || code == std::errc::broken_pipe) << code;
  });
}

TEST(TlsHostile, RandomBytes) {
  run([] {
    Random random(1);
    for (int i = 0; i < 200; ++i) {
      std::string text(static_cast<std::size_t>(1 + random.below(2000)), ' ');
      for (char& byte : text) byte = static_cast<char>(random.below(256));
      // Often a header that is right, so that the rest is looked at.
      if (!random.one_in(4)) text.replace(0, 3, "\x16\x03\x03", 3);
      // Long enough for the length it claims, or the server would wait for more.
      text += std::string(70'000, '\xee');
      EXPECT_EQ(server_hears(text).code.category(), tls_category());
      EXPECT_EQ(client_hears(text).code.category(), tls_category());
    }
  });
}

// Two honest ends, and somebody who holds the line between them.
class Line {
 public:
  Line() {
    auto [left, right] = shake_hands_over_line();
    client = std::move(left), server = std::move(right);
  }
  ~Line() {
    client.close(), server.close();
    stop(there_), stop(back_);
  }
  /// Nothing more is passed on to the client but what is said here.
  TcpStream& tap() {
    stop(back_);
    return near_.server;
  }
  /// What the server says meanwhile.
  TcpStream& far_end() { return far_.client; }

  TlsStream client, server;

 private:
  static void stop(Task<void>& relay) {
    relay.cancel();
    try {
      relay.get();
    } catch (const Cancelled&) {
    } catch (const std::system_error&) {  // the ends may have gone before
    }
  }
  static void relay(TcpStream& from, TcpStream& to) {
    std::vector<std::byte> buffer(10'000);
    while (const std::size_t got = from.read_some(buffer))
      to.write_all(std::span(buffer).first(got));
  }
  TlsConnected shake_hands_over_line() {
    there_ = spawn([this] { relay(near_.server, far_.client); });
    back_ = spawn([this] { relay(far_.client, near_.server); });
    return shake_hands({std::move(near_.client), std::move(far_.server)}, client_context(),
                       server_context());
  }

  Connected near_ = connect_pair(), far_ = connect_pair();
  Task<void> there_, back_;
};

TEST(TlsHostile, AStreamThatIsCutOffHasNotEnded) {
  run([] {
    Line line;
    line.server.write_all("half of the");
    EXPECT_EQ(line.client.read_until("the"), "half of the");
    line.tap().shutdown();
    std::string what;
    try {
      line.client.read_to_end(100);
      ADD_FAILURE() << "took it for the end";
    } catch (const TlsError& error) {
      EXPECT_EQ(error.error(), TlsErrc::kTruncated);
      what = error.what();
    }
    EXPECT_THAT(what, HasSubstr("TLS read from localhost (127.0.0.1:"));
    // And again.
    EXPECT_EQ(error_of([&] { line.client.read_to_end(100); }), TlsErrc::kTruncated);
    EXPECT_EQ(error_of([&] { line.client.write_all("x"); }), TlsErrc::kTruncated);
  });
}

TEST(TlsHostile, AByteThatWasChanged) {
  run([] {
    Line line;
    line.server.write_all("right");
    EXPECT_EQ(line.client.read_until("t"), "right");
    TcpStream& tap = line.tap();
    line.server.write_all("wrong");
    std::vector<std::byte> record(1000);
    const std::size_t size = line.far_end().read_some(record);
    record[size - 1] ^= std::byte{1};
    tap.write_all(std::span(record).first(size));
    std::byte one;
    EXPECT_EQ(error_of([&] { line.client.read_some({&one, 1}); }), TlsErrc::kProtocol);
    EXPECT_THAT(message_of([&] { line.client.write_all("x"); }), HasSubstr("bad record mac"));
    // Told by an alert.
    EXPECT_EQ(error_of([&] { line.server.read_some({&one, 1}); }), TlsErrc::kAlert);
  });
}

TEST(TlsHostile, ARecordSaidTwice) {
  run([] {
    Line line;
    line.server.write_all("tickets");
    EXPECT_EQ(line.client.read_until("s"), "tickets");
    TcpStream& tap = line.tap();
    line.server.write_all("once");
    std::vector<std::byte> record(1000);
    const std::size_t size = line.far_end().read_some(record);
    tap.write_all(std::span(record).first(size));
    tap.write_all(std::span(record).first(size));
    EXPECT_EQ(line.client.read_until("once"), "once");
    EXPECT_EQ(error_of([&] { line.client.read_until("once"); }), TlsErrc::kProtocol);
  });
}

TEST(TlsHostile, PlainTextInTheMiddle) {
  run([] {
    Line line;
    line.server.write_all("x");
    EXPECT_EQ(line.client.read_until("x"), "x");
    line.tap().write_all("HTTP/1.1 200 OK\r\n\r\ntrust me");
    EXPECT_EQ(error_of([&] { line.client.read_until("me"); }), TlsErrc::kProtocol);
  });
}

}  // namespace
}  // namespace weft
