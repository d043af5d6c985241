#pragma once

#include <weft/tls_context.h>

#include <string>
#include <string_view>
#include <vector>

#include "io/tls/openssl.h"

namespace weft::detail {

/// Constant once it is made.
class TlsCertificateState {
 public:
  X509Ptr certificate;
  std::vector<X509Ptr> chain;  // without it
  PkeyPtr key;

  /// False: OpenSSL says why.
  bool use_in(SSL* ssl) const;
};

/// All certificates in a PEM text, at least one. `object` is where it came from, for messages.
std::vector<X509Ptr> parse_certificates(std::string_view pem, const std::string& object);

/// Blocks. Throws std::system_error that names the file.
std::string read_pem_file(const std::string& path);

TlsCertificateInfo describe(X509& certificate);

}  // namespace weft::detail
