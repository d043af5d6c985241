// Goal: the TLS spoken here is that of others. Method: the openssl program is the other end, as a
// server and as a client.

#include <gmock/gmock.h>

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

class OpenSsl : public testing::Test {
 protected:
  void SetUp() override {
    if (program_.empty()) return lacking("the openssl program is not installed");
    const PemPair pair = authority().issue();
    folder_.write("chain.pem", pair.chain);
    folder_.write("key.pem", pair.key);
    folder_.write("ca.pem", authority().pem());
  }

  Child start(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program_);
    return {arguments, folder_ / "output"};
  }
  // It chooses a port and says which.
  Child start_server(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{
        "s_server", "-accept",          "127.0.0.1:0", "-cert", folder_ / "chain.pem",
        "-key",     folder_ / "key.pem"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return start(arguments);
  }
  static std::uint16_t port_of(const Child& server) {
    static const std::string kBefore = "ACCEPT 127.0.0.1:";
    const std::string said = to_thread([&] {
      server.wait_for(kBefore);
      return server.wait_for("\n");
    });
    return static_cast<std::uint16_t>(std::stoul(said.substr(said.find(kBefore) + kBefore.size())));
  }
  Child start_client(std::uint16_t port, const std::vector<std::string>& more) const {
    std::vector<std::string> arguments{"s_client",
                                       "-connect",
                                       "127.0.0.1:" + std::to_string(port),
                                       "-servername",
                                       "localhost",
                                       "-CAfile",
                                       folder_ / "ca.pem",
                                       "-verify_return_error",
                                       "-verify_hostname",
                                       "localhost"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return start(arguments);
  }
  static TlsContext client(TlsVersion version = TlsVersion::kTls13) {
    TlsClientOptions options = client_options();
    options.max_version = version;
    return TlsContext::client(options);
  }

  const std::string program_ = find_program("openssl");
  const TemporaryFolder folder_;
};

TEST_F(OpenSsl, ServesOurClient) {
  run([&] {
    for (const TlsVersion version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
      Child server = start_server({"-rev", "-naccept", "2"});  // it answers each line backwards
      const std::uint16_t port = port_of(server);
      const TlsContext context = client(version);
      for (const bool again : {false, true}) {
        TlsStream stream = TlsStream::connect("localhost", port, context);
        EXPECT_EQ(stream.version(), version);
        EXPECT_EQ(stream.resumed(), again);
        stream.write_all("a line\n");
        EXPECT_EQ(stream.read_until("\n"), "enil a\n");
        const std::string much(100'000, 'x');
        stream.write_all("a" + much.substr(0, 10'000) + "b\n");
        EXPECT_EQ(stream.read_until("\n"), "b" + much.substr(0, 10'000) + "a\n");
        stream.shutdown();
        EXPECT_EQ(stream.read_to_end(100), "");
      }
      EXPECT_EQ(to_thread([&] { return server.wait(); }), 0) << server.said();
    }
  });
}

TEST_F(OpenSsl, AgreesOnAProtocol) {
  run([&] {
    Child server = start_server({"-rev", "-alpn", "http/1.1,h2"});
    TlsClientOptions options = client_options();
    options.alpn = {"h2", "http/1.1"};
    TlsStream stream =
        TlsStream::connect("localhost", port_of(server), TlsContext::client(options));
    EXPECT_EQ(stream.alpn(), "http/1.1");
  });
}

TEST_F(OpenSsl, ServesOurClientUnderUpdatesOfTheKeys) {
  run([&] {
    Child server = start_server({"-rev"});
    TlsStream stream = TlsStream::connect("localhost", port_of(server), client());
    for (const bool both : {true, false}) {
      stream.update_keys(both);  // upon which it rests for a second
      stream.write_all("a line\n");
      EXPECT_EQ(stream.read_until("\n"), "enil a\n");
    }
  });
}

TEST_F(OpenSsl, IsRefusedWithoutTheRightName) {
  run([&] {
    Child server = start_server({"-rev"});
    const std::uint16_t port = port_of(server);
    EXPECT_EQ(error_of([&] {
                TlsStream::client(TcpStream::connect("127.0.0.1", port), "wrong.test", client());
              }),
              TlsErrc::kCertificate);
  });
}

TEST_F(OpenSsl, AsksOurClientForACertificate) {
  run([&] {
    Child server = start_server(
        {"-rev", "-Verify", "2", "-verify_return_error", "-CAfile", folder_ / "ca.pem"});
    const std::uint16_t port = port_of(server);
    TlsClientOptions options = client_options();
    options.certificate = issue({.common_name = "known"});
    TlsStream known = TlsStream::connect("localhost", port, TlsContext::client(options));
    known.write_all("a line\n");
    EXPECT_EQ(known.read_until("\n"), "enil a\n");
    known.shutdown();
    TlsStream unknown = TlsStream::connect("localhost", port, client());
    EXPECT_EQ(error_of([&] { unknown.read_until("\n"); }), TlsErrc::kAlert);
  });
}

// Half of it, and then the server is killed.
TEST_F(OpenSsl, AKilledServerIsATruncation) {
  run([&] {
    TlsStream stream;
    {
      Child server = start_server({"-rev"});
      stream = TlsStream::connect("localhost", port_of(server), client());
      stream.write_all("a line\n");
      EXPECT_EQ(stream.read_until("\n"), "enil a\n");
    }
    EXPECT_EQ(error_of([&] { stream.read_until("\n"); }), TlsErrc::kTruncated);
  });
}

class OpenSslClient : public OpenSsl {
 protected:
  // One connection to our server. What the client says after `input`.
  std::string talk(const TlsServerOptions& options, const std::vector<std::string>& more,
                   const std::string& input,
                   const std::function<void(TlsStream&, Child&)>& serve_it) {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const TlsContext context = TlsContext::server(options);
    Child child = start_client(listener.local_port(), more);
    child.say(input);
    TlsStream stream = TlsStream::accept(listener.accept(), context);
    serve_it(stream, child);
    stream.shutdown();
    child.end_input();
    EXPECT_EQ(to_thread([&] { return child.wait(); }), 0) << child.said();
    return child.said();
  }
};

TEST_F(OpenSslClient, IsServed) {
  run([&] {
    for (const std::string version : {"-tls1_2", "-tls1_3"}) {
      const std::string said = talk(server_options(), {"-quiet", "-no_ign_eof", version},
                                    "a question\n", [&](TlsStream& stream, Child&) {
                                      EXPECT_EQ(stream.read_until("\n"), "a question\n");
                                      EXPECT_EQ(stream.server_name(), "localhost");
                                      stream.write_all("an answer of ours\n");
                                    });
      EXPECT_THAT(said, HasSubstr("an answer of ours\n"));
    }
  });
}

TEST_F(OpenSslClient, GetsTheProtocolItAskedFor) {
  run([&] {
    TlsServerOptions options = server_options();
    options.alpn = {"h2"};
    const std::string said = talk(options, {"-alpn", "http/1.1,h2"}, "a question\n",
                                  [&](TlsStream& stream, Child&) { stream.read_until("\n"); });
    EXPECT_THAT(said, HasSubstr("ALPN protocol: h2"));
    EXPECT_THAT(said, HasSubstr("Verify return code: 0 (ok)"));
  });
}

TEST_F(OpenSslClient, ResumesItsSession) {
  run([&] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const TlsContext context = server_context();
    for (const std::string version : {"-tls1_2", "-tls1_3"}) {
      for (const std::string what : {"-sess_out", "-sess_in"}) {
        Child child = start_client(listener.local_port(), {version, what, folder_ / "session"});
        child.say("x\n");
        TlsStream stream = TlsStream::accept(listener.accept(), context);
        stream.read_until("x\n");
        stream.write_all("y\n");
        EXPECT_EQ(stream.resumed(), what == "-sess_in");
        to_thread([&] { child.wait_for("y\n"); });
        stream.shutdown();
        child.end_input();
        EXPECT_EQ(to_thread([&] { return child.wait(); }), 0) << child.said();
      }
    }
  });
}

// "K" makes it update its keys and ask for ours, which it must get before our next data.
TEST_F(OpenSslClient, UpdatesItsKeys) {
  run([&] {
    const std::string said =
        talk(server_options(), {"-tls1_3"}, "K\n", [&](TlsStream& stream, Child& client) {
          to_thread([&] { client.wait_for("KEYUPDATE"); });
          client.say("a question\n");
          EXPECT_EQ(stream.read_until("\n"), "a question\n");
          stream.write_all("from the server\n");
          stream.write_all("and more\n");
        });
    EXPECT_THAT(said, HasSubstr("from the server\n"));
    EXPECT_THAT(said, HasSubstr("and more\n"));
  });
}

}  // namespace
}  // namespace weft
