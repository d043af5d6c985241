// Goal: two ends that trust each other talk, and know what they have agreed upon. Method: both ends
// are weft's, over the loopback, with every version of TLS there is.

#include <gmock/gmock.h>

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

}  // namespace
}  // namespace weft
