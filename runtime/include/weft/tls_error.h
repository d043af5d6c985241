#pragma once

// Part of weft_tls, a library of its own: see <weft/tls.h>.

#include <string>
#include <system_error>

namespace weft {

/// What went wrong, as far as TLS is concerned. What goes wrong below it (ECONNRESET and the like)
/// is thrown as it comes from there.
enum class TlsErrc {
  /// A certificate, key or list of authorities cannot be read or used.
  kConfiguration = 1,
  /// The peer's certificate is not to be trusted, is not for the name that was expected, or is
  /// missing.
  kCertificate,
  /// The peer has ended the connection with an alert, which the message names.
  kAlert,
  /// The peers could not agree, or what came is no TLS.
  kProtocol,
  /// The connection ended without the peer saying so: what came may be cut short, perhaps by
  /// somebody else.
  kTruncated,
};

/// The errors of TlsErrc.
const std::error_category& tls_category() noexcept;
inline std::error_code make_error_code(TlsErrc error) noexcept {
  return {static_cast<int>(error), tls_category()};
}

/// A failure of TLS. what() names the operation, the peer, OpenSSL's reason, and, if a certificate
/// was rejected, why and which name was expected. Once a stream has failed so, every later call
/// fails in the same way; but update_keys() on a connection that cannot, as before TLS 1.3, leaves
/// it as it was.
class TlsError : public std::system_error {
 public:
  TlsError(TlsErrc error, const std::string& what, long verify_result = 0)
      : std::system_error(make_error_code(error), what), verify_result_(verify_result) {}

  TlsErrc error() const noexcept { return static_cast<TlsErrc>(code().value()); }
  /// For kCertificate: why, an X509_V_ERR_... of OpenSSL. Otherwise 0.
  long verify_result() const noexcept { return verify_result_; }

 private:
  long verify_result_;
};

}  // namespace weft

template <>
struct std::is_error_code_enum<weft::TlsErrc> : std::true_type {};
