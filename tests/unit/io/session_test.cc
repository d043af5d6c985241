// Goal: a connection goes on correctly when records arrive in the worst places: a writer meets half
// of a message of the peer's, a reader has to answer, a peer has itself answered and never listens.
// Method: a transport whose two directions the test holds in its hands.

#include "io/tls/session.h"

#include <gtest/gtest.h>
#include <weft/event.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "io/tls/certificate.h"
#include "support/tls.h"

namespace weft::detail {
namespace {

using namespace support;

// One direction: what one end has written and the other may read, a part of it if it is told so.
struct Way {
  static constexpr std::size_t kAll = SIZE_MAX;

  std::deque<std::byte> bytes;
  std::size_t readable = kAll;  // how much more may be read
  std::size_t writable = kAll;
  bool ended = false;
};

struct Cable {
  Way to_client, to_server;
};

class CableEnd {
 public:
  CableEnd(Way& in, Way& out) noexcept : in_(&in), out_(&out) {}
  std::size_t read_some(std::span<std::byte> into) {
    until([this] { return (in_->readable > 0 && !in_->bytes.empty()) || in_->ended; });
    const std::size_t count = std::min({into.size(), in_->bytes.size(), in_->readable});
    std::copy_n(in_->bytes.begin(), count, into.begin());
    in_->bytes.erase(in_->bytes.begin(), in_->bytes.begin() + static_cast<std::ptrdiff_t>(count));
    if (in_->readable != Way::kAll) in_->readable -= count;
    return count;
  }
  std::size_t write_some(std::span<const std::byte> data) {
    until([this] { return out_->writable > 0; });
    const std::size_t count = std::min(data.size(), out_->writable);
    out_->bytes.insert(out_->bytes.end(), data.begin(),
                       data.begin() + static_cast<std::ptrdiff_t>(count));
    if (out_->writable != Way::kAll) out_->writable -= count;
    return count;
  }
  void shutdown() { out_->ended = true; }
  void close() noexcept { out_->ended = true; }
  bool is_open() const noexcept { return true; }

 private:
  Way* in_;
  Way* out_;
};

// The cable is no primitive: its ends are fibers of one worker.
template <class F>
void run_alone(F&& body) {
  run(Options{.workers = 1}, std::forward<F>(body));
}

TlsConnected connect(Cable& cable, const TlsContext& client, const TlsContext& server) {
  auto [left, right] = gather(
      [&] {
        return TlsStream::client(CableEnd(cable.to_client, cable.to_server), "localhost", client);
      },
      [&] { return TlsStream::accept(CableEnd(cable.to_server, cable.to_client), server); });
  return {std::move(left), std::move(right)};
}

// A server whose tickets, which contain the client's certificate, fill more than one record.
TlsContext server_of_large_tickets() {
  TlsServerOptions options = server_options();
  options.client_certificates = TlsClientCertificates::kRequired;
  options.client_ca_pem = authority().pem();
  TlsContext context = TlsContext::server(options);
  SSL_CTX_set_max_send_fragment(context.state()->ctx.get(), 512);
  return context;
}

TlsContext known_client() {
  TlsClientOptions options = client_options();
  options.certificate = issue({.common_name = "known"});
  return TlsContext::client(options);
}

std::size_t first_record(const Way& way) {
  return 5 + 256 * std::to_integer<std::size_t>(way.bytes[3]) +
         std::to_integer<std::size_t>(way.bytes[4]);
}

// The client has read the first record of a ticket that takes two, and then writes.
class HalfATicket : public testing::Test {
 protected:
  void with_half_a_ticket(const std::function<void(TlsStream& client, TlsStream& server)>& body) {
    run_alone([&] {
      Cable cable;
      Task<TlsStream> accepting = spawn([&] {
        return TlsStream::accept(CableEnd(cable.to_server, cable.to_client),
                                 server_of_large_tickets());
      });
      TlsStream client = TlsStream::client(CableEnd(cable.to_client, cable.to_server), "localhost",
                                           known_client());
      TlsStream server = std::move(accepting).get();
      Way& way = cable.to_client;
      ASSERT_FALSE(way.bytes.empty()) << "the tickets came with the handshake";
      ASSERT_GE(first_record(way), 512U) << "the ticket fits into a record, so nothing is tested";
      way.readable = first_record(way);
      way_ = &way;
      body(client, server);
    });
  }
  void let_the_rest_through() { way_->readable = Way::kAll; }

 private:
  Way* way_ = nullptr;
};

TEST_F(HalfATicket, TheWriterWaitsWithTheReader) {
  with_half_a_ticket([&](TlsStream& client, TlsStream& server) {
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    sleep_for(std::chrono::milliseconds(2));
    Task<void> writer = spawn([&] {
      client.write_all("a question\n");
      client.update_keys();
      client.write_all("another\n");
    });
    sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(writer.done()) << "OpenSSL can write here now, so nothing is tested";
    let_the_rest_through();
    writer.get();
    EXPECT_EQ(server.read_until("\n"), "a question\n");
    EXPECT_EQ(server.read_until("\n"), "another\n");
    server.write_all("an answer\n");
    EXPECT_EQ(std::move(reader).get(), "an answer\n");
  });
}

// It is its turn then, however short it has waited: the reader wants more, which the server sends
// when it has been asked.
TEST_F(HalfATicket, TheWriterThatHasJustComeIsNotPassedOver) {
  with_half_a_ticket([&](TlsStream& client, TlsStream& server) {
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    sleep_for(std::chrono::milliseconds(2));
    Task<void> writer = spawn([&] { client.write_all("a question\n"); });
    for (int i = 0; i < 4; ++i) yield();
    EXPECT_FALSE(writer.done());
    let_the_rest_through();
    timeout(std::chrono::seconds(10), [&] { writer.get(); });
    EXPECT_EQ(server.read_until("\n"), "a question\n");
    server.write_all("an answer\n");
    EXPECT_EQ(std::move(reader).get(), "an answer\n");
  });
}

TEST_F(HalfATicket, TheWriterReceivesByItself) {
  with_half_a_ticket([&](TlsStream& client, TlsStream& server) {
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    sleep_for(std::chrono::milliseconds(2));
    reader.cancel();
    EXPECT_THROW(reader.get(), Cancelled);
    Task<void> writer = spawn([&] { client.write_all("a question\n"); });
    sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(writer.done());
    // Cancelled there, it has written nothing.
    writer.cancel();
    EXPECT_THROW(writer.get(), Cancelled);
    Task<void> again = spawn([&] { client.write_all("another one\n"); });
    sleep_for(std::chrono::milliseconds(2));
    let_the_rest_through();
    again.get();
    EXPECT_EQ(server.read_until("\n"), "another one\n");
  });
}

TEST_F(HalfATicket, TheEndWaitsToo) {
  with_half_a_ticket([&](TlsStream& client, TlsStream& server) {
    Task<std::string> reader = spawn([&] { return client.read_to_end(100); });
    sleep_for(std::chrono::milliseconds(2));
    Task<void> writer = spawn([&] { client.shutdown(); });
    sleep_for(std::chrono::milliseconds(2));
    EXPECT_FALSE(writer.done());
    let_the_rest_through();
    writer.get();
    EXPECT_EQ(server.read_to_end(10), "");
    server.write_all("last words");
    server.shutdown();
    EXPECT_EQ(std::move(reader).get(), "last words");
  });
}

// Records in pieces of every size, in both directions.
TEST(TlsSession, TakesRecordsInPieces) {
  run_alone([] {
    Cable cable;
    auto [client, server] = connect(cable, client_context(), server_context());
    cable.to_server.readable = 0;
    Task<std::string> reader = spawn([&server = server] { return server.read_until("\n"); });
    client.write_all(std::string(1000, 'x') + '\n');
    for (int piece = 1; !reader.done(); piece = 1 + piece % 7) {
      cable.to_server.readable = static_cast<std::size_t>(piece);
      while (cable.to_server.readable > 0 && !cable.to_server.bytes.empty()) yield();
      yield();
    }
    EXPECT_EQ(std::move(reader).get(), std::string(1000, 'x') + '\n');
  });
}

// A server of OpenSSL's alone, which asks for what a client here refuses: each time it is answered
// with an alert, by whoever reads.
class AskingServer {
 public:
  explicit AskingServer(Cable& cable)
      : cable_(cable), ctx_(SSL_CTX_new(TLS_server_method())), ssl_(SSL_new(ctx_.get())) {
    BIO* const bio = wire_.make_bio().release();
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_max_proto_version(ssl_.get(), TLS1_2_VERSION);
    SSL_set_accept_state(ssl_.get());
    EXPECT_TRUE(issue().state().use_in(ssl_.get()));
  }
  void shake_hands() {
    while (SSL_do_handshake(ssl_.get()) != 1) {
      send();
      until([this] { return !cable_.to_server.bytes.empty(); });
      receive();
    }
    send();
  }
  void ask() {
    EXPECT_EQ(SSL_renegotiate(ssl_.get()), 1);
    EXPECT_EQ(SSL_do_handshake(ssl_.get()), 1);
    send();
  }
  void write(const std::string& text) {
    EXPECT_GT(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())), 0);
    send();
  }

 private:
  void receive() {
    std::deque<std::byte>& bytes = cable_.to_server.bytes;
    const std::size_t count = std::min(bytes.size(), wire_.room().size());
    std::copy_n(bytes.begin(), count, wire_.room().begin());
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count));
    wire_.commit(count);
  }
  void send() {
    std::vector<std::byte> output;
    wire_.swap_output(output);
    cable_.to_client.bytes.insert(cable_.to_client.bytes.end(), output.begin(), output.end());
  }

  Cable& cable_;
  Wire wire_;
  SslCtxPtr ctx_;
  SslPtr ssl_;
};

class Asked : public testing::Test {
 protected:
  void with_both(const std::function<void(AskingServer& server, TlsStream& client)>& body) {
    run_alone([&] {
      AskingServer server(cable_);
      Task<TlsStream> connecting = spawn([&] {
        return TlsStream::client(CableEnd(cable_.to_client, cable_.to_server), "localhost",
                                 client_context());
      });
      server.shake_hands();
      TlsStream client = std::move(connecting).get();
      body(server, client);
    });
  }
  std::size_t unread() const { return cable_.to_client.bytes.size(); }
  std::size_t answered() const { return cable_.to_server.bytes.size(); }
  void let_answers_through(bool on) { cable_.to_server.writable = on ? Way::kAll : 0; }

 private:
  Cable cable_;
};

// Nobody writes, and yet the peer gets its answer.
TEST_F(Asked, AReaderAnswers) {
  with_both([&](AskingServer& server, TlsStream& client) {
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    server.ask();
    until([&] { return answered() > 0; });
    server.write("line\n");
    EXPECT_EQ(std::move(reader).get(), "line\n");
  });
}

TEST_F(Asked, AReaderReadsOnWhileItsAnswersWait) {
  with_both([&](AskingServer& server, TlsStream& client) {
    let_answers_through(false);
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    server.ask();
    sleep_for(std::chrono::milliseconds(2));
    server.write("line\n");
    EXPECT_EQ(std::move(reader).get(), "line\n");
    EXPECT_EQ(answered(), 0U);
    // They go with what is written next.
    let_answers_through(true);
    client.write_all("x");
    EXPECT_GT(answered(), std::size_t{2} * (5 + 24));
  });
}

// Who waits to write sends the reader's answers, too.
TEST_F(Asked, AWriterTakesTheReadersAnswersAlong) {
  with_both([&](AskingServer& server, TlsStream& client) {
    let_answers_through(false);
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    Task<void> writer = spawn([&] { client.write_all("x"); });
    sleep_for(std::chrono::milliseconds(2));
    server.ask();
    until([&] { return unread() == 0; });
    sleep_for(std::chrono::milliseconds(2));
    let_answers_through(true);
    writer.get();
    EXPECT_GT(answered(), std::size_t{2} * (5 + 24));
    server.write("line\n");
    EXPECT_EQ(std::move(reader).get(), "line\n");
  });
}

// A peer that has us answer for ever and never listens does not fill the memory.
TEST_F(Asked, AReaderStopsWhenTooManyAnswersWait) {
  with_both([&](AskingServer& server, TlsStream& client) {
    let_answers_through(false);
    Task<std::string> reader = spawn([&] { return client.read_until("\n"); });
    for (int i = 0; i < 10'000; ++i) server.ask();
    const std::size_t sent = unread();
    EXPECT_GT(sent, 200'000U);
    // Until nothing moves any more.
    std::size_t left = 0;
    for (int still = 0; still < 100; ++still) {
      sleep_for(std::chrono::milliseconds(2));
      if (std::exchange(left, unread()) != left) still = 0;
    }
    EXPECT_GT(left, sent / 2) << "read " << sent - left << " of " << sent << " bytes";
    EXPECT_LT(left, sent - 60'000) << "it did not read on";
    let_answers_through(true);
    server.write("line\n");
    EXPECT_EQ(std::move(reader).get(), "line\n");
  });
}

}  // namespace
}  // namespace weft::detail
