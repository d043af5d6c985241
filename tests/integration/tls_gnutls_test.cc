// Goal: the TLS spoken here is understood by those who have not got it from OpenSSL. Method: the
// programs of GnuTLS are the other end, as a server and as a client.

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "support/child.h"
#include "support/lacking.h"
#include "support/temporary_folder.h"
#include "support/tls.h"

namespace weft {
namespace {

using namespace support;
using testing::HasSubstr;

class GnuTls : public testing::Test {
 protected:
  void SetUp() override {
    if (client_.empty() || server_.empty())
      return lacking("the programs of GnuTLS are not installed");
    const PemPair pair = authority().issue();
    folder_.write("chain.pem", pair.chain);
    folder_.write("key.pem", pair.key);
    folder_.write("ca.pem", authority().pem());
  }

  static std::string priority(TlsVersion version) {
    return std::string("--priority=NORMAL:-VERS-ALL:+VERS-TLS1.") +
           (version == TlsVersion::kTls12 ? "2" : "3");
  }
  // It echoes lines. On a port that was free a moment ago.
  std::unique_ptr<Child> start_server(std::uint16_t& port, TlsVersion version) const {
    for (int attempt = 0; attempt < 5; ++attempt) {
      port = TcpListener::bind("127.0.0.1", 0).local_port();
      auto server = std::make_unique<Child>(
          std::vector<std::string>{server_, "--echo", "--disable-client-cert", priority(version),
                                   "--x509certfile=" + folder_ / "chain.pem",
                                   "--x509keyfile=" + folder_ / "key.pem",
                                   "--port=" + std::to_string(port)},
          folder_ / "output");
      const std::string said = to_thread([&] { return server->wait_for("\n"); });
      if (said.find("IPv4 0.0.0.0 port " + std::to_string(port) + "...done") != said.npos) {
        return server;
      }
    }
    throw std::runtime_error("gnutls-serv does not start");
  }
  std::unique_ptr<Child> start_client(std::uint16_t port, TlsVersion version,
                                      const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{client_,
                                       "--port=" + std::to_string(port),
                                       "--x509cafile=" + folder_ / "ca.pem",
                                       "--sni-hostname=localhost",
                                       "--verify-hostname=localhost",
                                       priority(version)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    arguments.emplace_back("127.0.0.1");
    return std::make_unique<Child>(arguments, folder_ / "output");
  }

  const std::string client_ = find_program("gnutls-cli"), server_ = find_program("gnutls-serv");
  const TemporaryFolder folder_;
};

TEST_F(GnuTls, ServesOurClient) {
  run([&] {
    for (const TlsVersion version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
      std::uint16_t port = 0;
      const auto server = start_server(port, version);
      const TlsContext context = client_context();
      for (const bool again : {false, true}) {
        TlsStream stream = TlsStream::connect("localhost", port, context);
        EXPECT_EQ(stream.version(), version);
        EXPECT_EQ(stream.resumed(), again);
        stream.write_all("a line\n");
        EXPECT_EQ(stream.read_until("\n"), "a line\n");
        const std::string much = std::string(9'000, 'x') + "\n";  // it echoes what it reads at once
        stream.write_all(much);
        std::string back(much.size(), ' ');
        stream.read_exactly(bytes_of(back));
        EXPECT_EQ(back, much);
        stream.shutdown();
        EXPECT_EQ(stream.read_to_end(100), "");
      }
    }
  });
}

TEST_F(GnuTls, IsRefusedWithoutTheRightName) {
  run([&] {
    std::uint16_t port = 0;
    const auto server = start_server(port, TlsVersion::kTls13);
    EXPECT_EQ(error_of([&] {
                TlsStream::client(TcpStream::connect("127.0.0.1", port), "wrong.test",
                                  client_context());
              }),
              TlsErrc::kCertificate);
  });
}

TEST_F(GnuTls, IsServedByUsAndComesAgain) {
  run([&] {
    for (const TlsVersion version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
      TcpListener listener = TcpListener::bind("127.0.0.1", 0);
      const TlsContext context = server_context();
      const auto client =
          start_client(listener.local_port(), version, {"--resume", "--waitresumption"});
      client->say("a question\n");
      for (const bool again : {false, true}) {
        TlsStream stream = TlsStream::accept(listener.accept(), context);
        EXPECT_EQ(stream.version(), version);
        EXPECT_EQ(stream.server_name(), "localhost");
        EXPECT_EQ(stream.resumed(), again);
        if (again) {
          EXPECT_EQ(stream.read_until("\n"), "a question\n");
          stream.write_all("an answer of ours\n");
          to_thread([&] { client->wait_for("an answer of ours\n"); });
          client->end_input();
        }
        EXPECT_EQ(stream.read_to_end(100), "");
        // It has gone without having read all there was, so there may be nobody left to be told.
        const auto told = error_of([&] { stream.shutdown(); });
        EXPECT_TRUE(!told || told == std::errc::not_connected || told == std::errc::broken_pipe)
            << told.message();
      }
      EXPECT_EQ(to_thread([&] { return client->wait(); }), 0) << client->said();
    }
  });
}

// A client that asks for one protocol gets it; one with a certificate is known by it.
TEST_F(GnuTls, ShowsItsCertificateAndAgreesOnAProtocol) {
  run([&] {
    const PemPair own = authority().issue({.common_name = "known"});
    folder_.write("own.pem", own.chain);
    folder_.write("own-key.pem", own.key);
    TlsServerOptions options = server_options();
    options.alpn = {"h2"};
    options.client_certificates = TlsClientCertificates::kRequired;
    options.client_ca_pem = authority().pem();
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const auto client =
        start_client(listener.local_port(), TlsVersion::kTls13,
                     {"--alpn=http/1.1", "--alpn=h2", "--x509certfile=" + folder_ / "own.pem",
                      "--x509keyfile=" + folder_ / "own-key.pem"});
    TlsStream stream = TlsStream::accept(listener.accept(), TlsContext::server(options));
    EXPECT_EQ(stream.alpn(), "h2");
    EXPECT_THAT(stream.peer_certificate().value().subject, HasSubstr("known"));
    stream.write_all("welcome\n");
    to_thread([&] { client->wait_for("welcome\n"); });
    client->end_input();
    EXPECT_EQ(stream.read_to_end(100), "");
    stream.shutdown();
    EXPECT_EQ(to_thread([&] { return client->wait(); }), 0) << client->said();
  });
}

TEST_F(GnuTls, ADistrustfulClientSaysSo) {
  run([&] {
    folder_.write("ca.pem", Authority("another authority").pem());
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const auto client = start_client(listener.local_port(), TlsVersion::kTls13, {});
    const auto code = error_of([&] {
      TlsStream stream = TlsStream::accept(listener.accept(), server_context());
      stream.read_until("\n");
    });
    EXPECT_TRUE(code == TlsErrc::kAlert || code == TlsErrc::kTruncated) << code.message();
    EXPECT_EQ(to_thread([&] { return client->wait(); }), 1) << client->said();
  });
}

}  // namespace
}  // namespace weft
