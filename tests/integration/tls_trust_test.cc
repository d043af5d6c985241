// Goal: nobody talks to whom he should not, and both sides are told why. Method: handshakes that
// must fail, with certificates made for it, and contexts that must not come about.

#include <gmock/gmock.h>

#include <string>

#include "support/temporary_folder.h"
#include "support/tls.h"

namespace weft {
namespace {

using namespace support;
using testing::AllOf;
using testing::HasSubstr;

TlsContext server_with(const PemPair& pair) {
  return TlsContext::server({.certificates = {TlsCertificate::parse(pair.chain, pair.key)}});
}

// The client refuses with `reason`, and the server hears an alert.
void expect_rejected(const TlsContext& server, const std::string& reason,
                     const std::string& host = "localhost") {
  for (const TlsVersion version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
    TlsClientOptions options = client_options();
    options.max_version = version;
    const Refusal refusal = refused(TlsContext::client(options), server, host);
    EXPECT_THAT(refusal.client, AllOf(HasSubstr("TLS handshake with " + host + " (127.0.0.1:"),
                                      HasSubstr(reason), HasSubstr("expected '" + host + "'")));
    EXPECT_EQ(refusal.client_code, TlsErrc::kCertificate);
    EXPECT_EQ(refusal.server_code, TlsErrc::kAlert) << refusal.server;
    EXPECT_THAT(refusal.server, HasSubstr("127.0.0.1:"));
  }
}

TEST(TlsTrust, TheNameMustBeTheOneExpected) {
  run([] {
    const TlsContext server = server_with(authority().issue({.names = "DNS:*.right.test,IP:::1"}));
    expect_rejected(server, "hostname mismatch", "wrong.test");
    expect_rejected(server, "hostname mismatch", "right.test");
    expect_rejected(server, "hostname mismatch", "a.b.right.test");
    expect_rejected(server, "IP address mismatch", "127.0.0.1");
    auto [left, right] = shake_hands(connect_pair(), client_context(), server, "a.right.test.");
    EXPECT_EQ(right.server_name(), "a.right.test") << "a dot at the end is no part of the name";
    shake_hands(connect_pair(), client_context(), server, "::1");
  });
}

TEST(TlsTrust, ACertificateHasItsTime) {
  run([] {
    expect_rejected(server_with(authority().issue({.valid_from = -10, .valid_until = -1})),
                    "certificate has expired");
    expect_rejected(server_with(authority().issue({.valid_from = 1, .valid_until = 10})),
                    "certificate is not yet valid");
  });
}

TEST(TlsTrust, SomebodyMustVouchForIt) {
  run([] {
    expect_rejected(server_with(Authority::self_signed()), "self-signed certificate");
    expect_rejected(server_with(Authority("somebody else").issue()),
                    "unable to get local issuer certificate");
  });
}

TEST(TlsTrust, TheSystemDoesNotTrustOurs) {
  run([] {
    const Refusal refusal = refused(TlsContext::client(), server_context());
    EXPECT_EQ(refusal.client_code, TlsErrc::kCertificate) << refusal.client;
  });
}

TEST(TlsTrust, TheReasonIsInTheError) {
  run([] {
    Connected pair = connect_pair();
    Task<void> server = spawn(
        [&] { error_of([&] { TlsStream::accept(std::move(pair.server), server_context()); }); });
    try {
      TlsStream::client(std::move(pair.client), "wrong.test", client_context());
      ADD_FAILURE() << "accepted";
    } catch (const TlsError& error) {
      EXPECT_EQ(error.error(), TlsErrc::kCertificate);
      EXPECT_EQ(error.verify_result(), 62 /* X509_V_ERR_HOSTNAME_MISMATCH */);
    }
  });
}

TEST(TlsTrust, MayBeSwitchedOff) {
  run([] {
    const TlsContext trusting = TlsContext::client({.verify = false});
    auto [left, right] =
        shake_hands(connect_pair(), trusting, server_with(Authority::self_signed()), "");
    EXPECT_EQ(right.server_name(), "");
    shake_hands(connect_pair(), trusting, server_context(), "wrong.test");
  });
}

TEST(TlsTrust, AServerTurnsUnknownClientsAway) {
  run([] {
    TlsServerOptions options = server_options();
    options.client_certificates = TlsClientCertificates::kRequired;
    options.client_ca_pem = authority().pem();
    const TlsContext server = TlsContext::server(options);
    for (const TlsVersion version : {TlsVersion::kTls12, TlsVersion::kTls13}) {
      TlsClientOptions client = client_options();
      client.max_version = version;
      const Refusal nobody = refused(TlsContext::client(client), server);
      EXPECT_EQ(nobody.server_code, TlsErrc::kCertificate) << nobody.server;
      EXPECT_THAT(nobody.server, HasSubstr("did not return a certificate"));
      EXPECT_EQ(nobody.client_code, TlsErrc::kAlert) << nobody.client;

      const PemPair stranger = Authority("somebody else").issue();
      client.certificate = TlsCertificate::parse(stranger.chain, stranger.key);
      const Refusal strange = refused(TlsContext::client(client), server);
      EXPECT_EQ(strange.server_code, TlsErrc::kCertificate) << strange.server;
      EXPECT_THAT(strange.server, HasSubstr("unable to get local issuer certificate"));
      EXPECT_EQ(strange.client_code, TlsErrc::kAlert) << strange.client;
    }
  });
}

TEST(TlsTrust, WithoutACommonProtocolNobodyTalks) {
  run([] {
    TlsClientOptions client = client_options();
    client.alpn = {"h2"};
    TlsServerOptions server = server_options();
    server.alpn = {"http/1.1"};
    const Refusal refusal = refused(TlsContext::client(client), TlsContext::server(server));
    EXPECT_THAT(refusal.client, HasSubstr("no application protocol"));
    EXPECT_EQ(refusal.client_code, TlsErrc::kAlert);
    EXPECT_EQ(refusal.server_code, TlsErrc::kProtocol);
    // Who offers nothing is served.
    auto [left, right] = tls_pair(client_context(), TlsContext::server(server));
    EXPECT_EQ(left.alpn(), "");
  });
}

TEST(TlsTrust, WithoutACommonVersionNobodyTalks) {
  run([] {
    TlsClientOptions client = client_options();
    client.min_version = TlsVersion::kTls13;
    TlsServerOptions server = server_options();
    server.max_version = TlsVersion::kTls12;
    const Refusal refusal = refused(TlsContext::client(client), TlsContext::server(server));
    EXPECT_EQ(refusal.client_code, TlsErrc::kAlert) << refusal.client;
    EXPECT_EQ(refusal.server_code, TlsErrc::kProtocol) << refusal.server;
    EXPECT_THAT(refusal.server, HasSubstr("unsupported protocol"));
  });
}

TEST(TlsContexts, ReadFiles) {
  const TemporaryFolder folder;
  const PemPair pair = authority().issue();
  const std::string chain = folder.write("chain.pem", pair.chain + authority().pem());
  const std::string key = folder.write("key.pem", pair.key);
  const std::string ca = folder.write("ca.pem", authority().pem());
  const auto talk = [&] {
    return std::pair(TlsContext::client({.ca_file = ca}),
                     TlsContext::server({.certificates = {TlsCertificate::load(chain, key)}}));
  };
  const auto [client, server] = talk();  // by a plain thread
  run([&, &client = client, &server = server] {
    tls_pair(client, server);
    const auto [other_client, other_server] = talk();  // by a fiber
    tls_pair(other_client, other_server);
  });
}

TEST(TlsContexts, SayWhichFileIsWrong) {
  const TemporaryFolder folder;
  const PemPair pair = authority().issue();
  const std::string chain = folder.write("chain.pem", pair.chain);
  const std::string key = folder.write("key.pem", pair.key);
  const std::string other = folder.write("other.pem", authority().issue().key);
  const std::string junk = folder.write("junk.pem", "nothing of that kind\n");
  const std::string cut = folder.write("cut.pem", pair.chain + pair.chain.substr(0, 200));
  const std::string missing = folder / "missing.pem";
  const auto load = [](const std::string& a, const std::string& b) {
    return [=] { TlsCertificate::load(a, b); };
  };
  EXPECT_EQ(error_of(load(missing, key)), std::errc::no_such_file_or_directory);
  EXPECT_THAT(message_of(load(missing, key)), HasSubstr("open '" + missing));
  EXPECT_EQ(error_of(load(chain + std::string("\0x", 2), key)), std::errc::invalid_argument);
  EXPECT_EQ(error_of(load(chain, folder.path())), std::errc::is_a_directory);
  EXPECT_EQ(error_of(load(junk, key)), TlsErrc::kConfiguration);
  EXPECT_THAT(message_of(load(junk, key)), AllOf(HasSubstr(junk), HasSubstr("no start line")));
  EXPECT_THAT(message_of(load(cut, key)), HasSubstr(cut));
  EXPECT_THAT(message_of(load(chain, junk)), HasSubstr("private key '" + junk));
  EXPECT_THAT(message_of(load(chain, other)),
              AllOf(HasSubstr(chain), HasSubstr(other), HasSubstr("key values mismatch")));
  const auto client = [&] { TlsContext::client({.ca_file = junk}); };
  EXPECT_THAT(message_of(client), HasSubstr(junk));
}

TEST(TlsContexts, RefuseOptionsWithoutSense) {
  const auto refuses = [](const TlsClientOptions& options) {
    EXPECT_THROW(TlsContext::client(options), std::invalid_argument);
  };
  refuses({.alpn = {""}});
  refuses({.alpn = {std::string(256, 'x')}});
  refuses({.min_version = TlsVersion::kTls13, .max_version = TlsVersion::kTls12});
  EXPECT_THROW(TlsContext::server({}), std::invalid_argument);
  TlsServerOptions options = server_options();
  options.client_certificates = TlsClientCertificates::kRequired;
  EXPECT_THROW(TlsContext::server(options), std::invalid_argument);
  run([] {
    const TlsContext client = client_context(), server = server_context();
    const auto connect = [&](const std::string& host, const TlsContext& context) {
      return [&, host] { TlsStream::client(connect_pair().client, host, context); };
    };
    EXPECT_THROW(connect("", client)(), std::invalid_argument);
    EXPECT_THROW(connect(std::string("a\0b", 3), client)(), std::invalid_argument);
    EXPECT_THROW(connect("localhost", server)(), std::invalid_argument);
    EXPECT_THROW(TlsStream::accept(connect_pair().server, client), std::invalid_argument);
  });
}

}  // namespace
}  // namespace weft
