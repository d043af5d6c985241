#pragma once

// A server's and a client's context that trust each other, and connections between them.

#include <weft/tls.h>

#include <string>
#include <utility>

#include "support/authority.h"
#include "support/tcp.h"

namespace support {

inline const Authority& authority() {
  static const Authority one;
  return one;
}

inline weft::TlsCertificate issue(const CertificateWish& wish = {}) {
  const PemPair pair = authority().issue(wish);
  return weft::TlsCertificate::parse(pair.chain, pair.key);
}

/// Options of a server that is "localhost".
inline weft::TlsServerOptions server_options() {
  static const weft::TlsCertificate certificate = issue();
  return {.certificates = {certificate}};
}
inline weft::TlsContext server_context() { return weft::TlsContext::server(server_options()); }

/// Options of a client that trusts it.
inline weft::TlsClientOptions client_options() { return {.ca_pem = authority().pem()}; }
inline weft::TlsContext client_context() { return weft::TlsContext::client(client_options()); }

struct TlsConnected {
  weft::TlsStream client, server;
};

inline TlsConnected shake_hands(Connected pair, const weft::TlsContext& client,
                                const weft::TlsContext& server,
                                const std::string& host = "localhost") {
  auto [left, right] =
      weft::gather([&] { return weft::TlsStream::client(std::move(pair.client), host, client); },
                   [&] { return weft::TlsStream::accept(std::move(pair.server), server); });
  return {std::move(left), std::move(right)};
}

inline TlsConnected tls_pair(const weft::TlsContext& client = client_context(),
                             const weft::TlsContext& server = server_context()) {
  return shake_hands(connect_pair(), client, server);
}

/// What both sides of a handshake that must fail say; "" of one that thought all was well, and then
/// read on.
struct Refusal {
  std::string client, server;
  std::error_code client_code, server_code;
};

inline Refusal refused(const weft::TlsContext& client, const weft::TlsContext& server,
                       const std::string& host = "localhost") {
  Connected pair = connect_pair();
  Refusal refusal;
  const auto note = [](std::string& what, std::error_code& code, auto&& body) {
    try {
      weft::TlsStream stream = body();
      std::byte one;
      // In TLS 1.3 a client is done before the server has looked at its certificate.
      stream.read_some({&one, 1});
    } catch (const std::system_error& error) {
      what = error.what();
      code = error.code();
    } catch (const std::exception& error) {
      what = error.what();
    }
  };
  weft::gather(
      [&] {
        note(refusal.client, refusal.client_code,
             [&] { return weft::TlsStream::client(std::move(pair.client), host, client); });
      },
      [&] {
        note(refusal.server, refusal.server_code,
             [&] { return weft::TlsStream::accept(std::move(pair.server), server); });
      });
  return refusal;
}

}  // namespace support
