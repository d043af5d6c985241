#pragma once

#include <weft/tls_context.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "io/tls/openssl.h"
#include "io/tls/session_cache.h"

namespace weft::detail {

/// Constant once it is made, but for what OpenSSL and the cache guard themselves.
class TlsContextState {
 public:
  TlsContextState(bool client, std::size_t cached_servers)
      : is_client(client), sessions(cached_servers) {}

  const bool is_client;
  bool verify = true;  // of a client
  TlsSessionCache sessions;
  std::vector<TlsCertificate> certificates;  // of a server
  std::function<std::optional<TlsCertificate>(const std::string&)> choose;
  std::string alpn;  // as on the wire; a server's, in order of preference
  SslCtxPtr ctx;     // last: its callbacks use the others
};

}  // namespace weft::detail
