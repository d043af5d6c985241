// Goal: two ends that trust each other talk, and know what they have agreed upon. Method: both ends
// are weft's, over the loopback, with every version of TLS there is.

#include <gmock/gmock.h>
#include <weft/lines.h>

#include <array>
#include <string>
#include <vector>

#include "support/tls.h"

namespace weft {
namespace {

using namespace support;
using testing::HasSubstr;

class Tls : public testing::TestWithParam<TlsVersion> {
 protected:
  TlsContext client() const { return client_with(client_options()); }
  TlsContext client_with(TlsClientOptions options) const {
    options.max_version = GetParam();
    return TlsContext::client(options);
  }
};

INSTANTIATE_TEST_SUITE_P(, Tls, testing::Values(TlsVersion::kTls12, TlsVersion::kTls13),
                         [](const auto& version) {
                           return version.param == TlsVersion::kTls12 ? "Tls12" : "Tls13";
                         });

TEST_P(Tls, CarriesTextBothWays) {
  run([&] {
    auto [client_end, server_end] = tls_pair(client());
    client_end.write_all("a question\n");
    EXPECT_EQ(server_end.read_until("\n"), "a question\n");
    server_end.write_all("an answer\nand more");
    EXPECT_EQ(client_end.read_until("\n"), "an answer\n");
    server_end.shutdown();
    EXPECT_EQ(client_end.read_to_end(100), "and more");
    std::byte one;
    EXPECT_EQ(client_end.read_some({&one, 1}), 0U) << "the end goes on";
  });
}

TEST_P(Tls, TellsWhatWasAgreedUpon) {
  run([&] {
    TlsClientOptions options = client_options();
    options.alpn = {"spdy/3", "h2", "http/1.1"};
    TlsServerOptions offered = server_options();
    offered.alpn = {"http/1.1", "h2"};
    auto [left, right] = tls_pair(client_with(options), TlsContext::server(offered));
    for (const TlsStream* each : {&left, &right}) {
      EXPECT_EQ(each->version(), GetParam());
      EXPECT_THAT(each->cipher(), HasSubstr("GCM"));
      EXPECT_EQ(each->alpn(), "http/1.1") << "the server's preference";
      EXPECT_FALSE(each->resumed());
      EXPECT_TRUE(each->is_open());
    }
    EXPECT_EQ(right.server_name(), "localhost");
    EXPECT_THAT(left.peer(), HasSubstr("localhost (127.0.0.1:"));
    const auto shown = left.peer_certificate().value();
    EXPECT_EQ(shown.subject, "CN=localhost");
    EXPECT_EQ(shown.issuer, "CN=weft test authority");
    EXPECT_THAT(shown.names, testing::ElementsAre("localhost", "127.0.0.1"));
    EXPECT_LT(shown.not_before, std::chrono::system_clock::now());
    EXPECT_GT(shown.not_after, std::chrono::system_clock::now());
    EXPECT_EQ(shown.sha256.size(), 64U);
    EXPECT_THAT(shown.pem, HasSubstr("BEGIN CERTIFICATE"));
    EXPECT_FALSE(right.peer_certificate().has_value());
  });
}

// The client's tickets come with the first data.
bool resumes(const TlsContext& client, const TlsContext& server,
             const std::string& host = "localhost") {
  TcpListener listener = TcpListener::bind("127.0.0.1", 0);
  bool resumed = false;
  for (int connection = 0; connection < 2; ++connection) {
    auto [left, right] = shake_hands(connect_to(listener), client, server, host);
    right.write_all("x");
    EXPECT_EQ(left.read_until("x"), "x");
    left.write_all("y");
    EXPECT_EQ(right.read_until("y"), "y");
    EXPECT_EQ(left.resumed(), right.resumed());
    EXPECT_FALSE(connection == 0 && left.resumed());
    resumed = left.resumed();
  }
  return resumed;
}

TEST_P(Tls, ResumesASession) {
  run([&] {
    EXPECT_TRUE(resumes(client(), server_context()));
    EXPECT_TRUE(resumes(client(), server_context(), "127.0.0.1"));
  });
}

TEST_P(Tls, ResumesOnlyIfBothSidesWant) {
  run([&] {
    TlsClientOptions forgetful = client_options();
    forgetful.session_cache = 0;
    EXPECT_FALSE(resumes(client_with(forgetful), server_context()));
    TlsServerOptions options = server_options();
    options.session_tickets = false;
    EXPECT_FALSE(resumes(client(), TlsContext::server(options)));
  });
}

TEST_P(Tls, KeepsSessionsOfAsManyServersAsItIsTold) {
  run([&] {
    TlsClientOptions options = client_options();
    options.session_cache = 1;
    const TlsContext client = client_with(options);
    const TlsContext server = server_context();
    TcpListener one = TcpListener::bind("127.0.0.1", 0);
    TcpListener other = TcpListener::bind("127.0.0.1", 0);
    const auto connect = [&](TcpListener& listener) {
      auto [left, right] = shake_hands(connect_to(listener), client, server);
      right.write_all("x");
      left.read_until("x");
      return left.resumed();
    };
    EXPECT_FALSE(connect(one));
    EXPECT_TRUE(connect(one));
    EXPECT_FALSE(connect(other));
    EXPECT_FALSE(connect(one)) << "its session should have made room";
  });
}

TEST_P(Tls, ShowsTheCertificateForTheName) {
  run([&] {
    TlsServerOptions options;
    options.certificates = {issue({.common_name = "first", .names = "DNS:first.test"}),
                            issue({.common_name = "wild", .names = "DNS:*.wild.test"}),
                            issue({.common_name = "number", .names = "IP:127.0.0.1"})};
    const TlsContext server = TlsContext::server(options);
    const auto shown_to = [&](const std::string& name) {
      auto [left, right] = shake_hands(connect_pair(), client(), server, name);
      EXPECT_EQ(right.server_name(), name);
      return left.peer_certificate()->subject;
    };
    EXPECT_EQ(shown_to("first.test"), "CN=first");
    EXPECT_EQ(shown_to("any.wild.test"), "CN=wild");
    // Others are shown the first, which is not for them.
    EXPECT_THAT(refused(client(), server, "other.test").client, HasSubstr("hostname mismatch"));
  });
}

TEST_P(Tls, AsksTheProgramForACertificate) {
  run([&] {
    TlsServerOptions options = server_options();
    std::string asked_for;
    options.choose_certificate = [&](const std::string& name) -> std::optional<TlsCertificate> {
      asked_for = name;
      yield();  // it may suspend
      if (name == "localhost") return std::nullopt;
      if (name == "nobody.test") throw std::runtime_error("nobody lives here");
      return issue({.common_name = "made for " + name, .names = "DNS:" + name});
    };
    const TlsContext server = TlsContext::server(options);
    {
      auto [left, right] = shake_hands(connect_pair(), client(), server, "new.test");
      EXPECT_EQ(asked_for, "new.test");
      EXPECT_EQ(left.peer_certificate()->subject, "CN=made for new.test");
    }
    auto [left, right] = shake_hands(connect_pair(), client(), server);
    EXPECT_EQ(left.peer_certificate()->subject, "CN=localhost");

    const Refusal refusal = refused(client(), server, "nobody.test");
    EXPECT_EQ(refusal.client_code, TlsErrc::kAlert) << refusal.client;
    EXPECT_EQ(refusal.server, "nobody lives here");
  });
}

TEST_P(Tls, KnowsItsClients) {
  run([&] {
    TlsServerOptions options = server_options();
    options.client_certificates = TlsClientCertificates::kRequired;
    options.client_ca_pem = authority().pem();
    TlsClientOptions known = client_options();
    known.certificate = issue({.common_name = "client", .names = ""});
    const TlsContext client = client_with(known), server = TlsContext::server(options);
    EXPECT_TRUE(resumes(client, server));
    // Of a resumed session, too.
    auto [left, right] = shake_hands(connect_pair(), client, server);
    EXPECT_EQ(right.peer_certificate()->subject, "CN=client");
  });
}

TEST_P(Tls, OptionalClientCertificatesAreOptional) {
  run([&] {
    TlsServerOptions options = server_options();
    options.client_certificates = TlsClientCertificates::kOptional;
    options.client_ca_pem = authority().pem();
    auto [left, right] = shake_hands(connect_pair(), client(), TlsContext::server(options));
    EXPECT_FALSE(right.peer_certificate().has_value());
  });
}

TEST_P(Tls, ReadsAsStreamsDo) {
  run([&] {
    auto [left, right] = tls_pair(client());
    left.write_all("0123456789line\nrest");
    std::string ten(10, ' ');
    right.read_exactly(bytes_of(ten));
    EXPECT_EQ(ten, "0123456789");
    EXPECT_THROW(right.read_until("\n", 3), LimitExceeded);
    EXPECT_EQ(right.read_until("\n"), "line\n");
    EXPECT_THROW(right.read_until(""), std::invalid_argument);
    left.shutdown();
    try {
      right.read_exactly(bytes_of(ten));
      ADD_FAILURE() << "the stream had no ten bytes more";
    } catch (const IncompleteRead& error) {
      EXPECT_EQ(error.partial.size(), 4U);
      EXPECT_THAT(error.what(), HasSubstr("127.0.0.1:"));
    }
    EXPECT_EQ(right.read_some({}), 0U);
    right.write_all("still heard");
    right.shutdown();
    EXPECT_THROW(left.read_to_end(5), LimitExceeded);
    EXPECT_EQ(left.read_to_end(50), "still heard");
  });
}

TEST_P(Tls, ReadsLines) {
  run([&] {
    auto [left, right] = tls_pair(client());
    left.write_all("one\ntwo\r\n\nfour");
    EXPECT_THROW(right.read_line(3), LimitExceeded);
    EXPECT_EQ(right.read_line(4), "one");
    left.write_all("th\n12345\nlast");
    left.shutdown();
    std::vector<std::string> all;
    for (std::string& line : lines(right, 7)) all.push_back(std::move(line));
    EXPECT_THAT(all, testing::ElementsAre("two", "", "fourth", "12345", "last"));
    EXPECT_EQ(right.read_line(), std::nullopt) << "the end goes on";
  });
}

TEST_P(Tls, WritesSome) {
  run([&] {
    auto [left, right] = tls_pair(client());
    EXPECT_EQ(left.write_some({}), 0U);
    const std::string text(100'000, 'x');
    std::size_t written = 0;
    while (written < text.size()) {
      const std::size_t count = left.write_some(std::as_bytes(std::span(text)).subspan(written));
      ASSERT_GT(count, 0U);
      std::string received(count, ' ');
      // All of it is under way: nothing else needs to be written first.
      right.read_exactly(bytes_of(received));
      EXPECT_TRUE(received == text.substr(written, count));
      written += count;
    }
    left.shutdown();
    EXPECT_EQ(error_of([&left = left] { left.write_some(std::as_bytes(std::span("x"))); }),
              std::errc::broken_pipe);
    EXPECT_EQ(right.read_to_end(1), "");
  });
}

// As through a proxy that is itself spoken to by TLS.
TEST_P(Tls, RunsOverItself) {
  run([&] {
    auto [near, far] = tls_pair();
    const TlsContext inner = client(), server = server_context();
    auto [left, right] =
        gather([&, &near = near] { return TlsStream::client(std::move(near), "localhost", inner); },
               [&, &far = far] { return TlsStream::accept(std::move(far), server); });
    EXPECT_THAT(left.peer(), HasSubstr("localhost (127.0.0.1:"));
    left.write_all("through two tunnels\n");
    left.shutdown();
    EXPECT_EQ(right.read_line(), "through two tunnels");
    EXPECT_EQ(right.read_line(), std::nullopt);
    right.write_all("and back");
    right.shutdown();
    EXPECT_EQ(left.read_to_end(100), "and back");
  });
}

TEST_P(Tls, PartsArriveInOrder) {
  run([&] {
    auto [left, right] = tls_pair(client());
    std::vector<std::string> texts;
    std::string all;
    for (int i = 0; i < 300; ++i) {
      texts.emplace_back(static_cast<std::size_t>(i % 7 == 0 ? i * 100 : i % 50),
                         char('a' + i % 26));
      all += texts.back();
    }
    std::vector<iovec> parts;
    for (std::string& text : texts) parts.push_back({text.data(), text.size()});
    Task<std::string> reader = spawn([&right = right] { return right.read_to_end(10'000'000); });
    left.write_all(parts);
    left.shutdown();
    EXPECT_TRUE(std::move(reader).get() == all);
  });
}

TEST(TlsKeys, AreUpdatedByEitherSide) {
  run([] {
    auto [left, right] = tls_pair();
    for (const bool both : {true, false, true}) {
      left.update_keys(both);
      left.write_all("to the right\n");
      EXPECT_EQ(right.read_until("\n"), "to the right\n");
      right.update_keys(both);
      right.write_all("to the left\n");
      EXPECT_EQ(left.read_until("\n"), "to the left\n");
    }
  });
}

TEST(TlsKeys, StayInTls12) {
  run([] {
    TlsClientOptions options = client_options();
    options.max_version = TlsVersion::kTls12;
    auto [left, right] = tls_pair(TlsContext::client(options));
    EXPECT_EQ(error_of([&left = left] { left.update_keys(); }), TlsErrc::kProtocol);
    left.write_all("as before");
    left.shutdown();
    EXPECT_EQ(right.read_to_end(20), "as before");
  });
}

TEST(TlsConnect, FindsTheServerByName) {
  run([] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const TlsContext client = client_context(), server = server_context();
    Task<TlsStream> accepted = spawn([&] { return TlsStream::accept(listener.accept(), server); });
    TlsStream stream = TlsStream::connect("localhost", listener.local_port(), client);
    EXPECT_EQ(stream.peer().find("localhost (127.0.0.1:"), 0U) << stream.peer();
    TlsStream other = std::move(accepted).get();
    EXPECT_EQ(other.server_name(), "localhost");
  });
}

TEST(TlsHandles, MoveAndEnd) {
  run([] {
    TlsStream nothing;
    EXPECT_FALSE(nothing.is_open());
    EXPECT_EQ(error_of([&] { nothing.write_all("x"); }), std::errc::bad_file_descriptor);
    nothing.close();
    auto [left, right] = tls_pair();
    nothing = std::move(left);
    nothing.write_all("moved");
    nothing.shutdown();
    nothing.shutdown();  // again: nothing more
    EXPECT_EQ(error_of([&] { nothing.write_all("x"); }), std::errc::broken_pipe);
    EXPECT_EQ(error_of([&] { nothing.update_keys(); }), std::errc::broken_pipe);
    EXPECT_EQ(right.read_to_end(10), "moved");
    right.write_all("still heard");
    EXPECT_EQ(nothing.read_until("heard"), "still heard");
    nothing.close();
    EXPECT_FALSE(nothing.is_open());
    EXPECT_EQ(error_of([&] { nothing.write_all("x"); }), std::errc::bad_file_descriptor);
  });
}

TEST(TlsHandles, NeedAFiber) {
  Runtime runtime;
  auto pair = runtime.run([] { return tls_pair(); });
  EXPECT_THROW(pair.client.write_all("x"), std::logic_error);
  std::byte one{};
  EXPECT_THROW(pair.client.write_some({&one, 1}), std::logic_error);
  EXPECT_THROW(pair.client.read_line(), std::logic_error);
  EXPECT_THROW(pair.client.read_some({&one, 1}), std::logic_error);
  EXPECT_THROW(pair.client.shutdown(), std::logic_error);
  pair.client.close();
}

}  // namespace
}  // namespace weft
