#include <openssl/err.h>
#include <weft/tls_error.h>

#include "io/tls/openssl.h"

namespace weft {

namespace {

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int code) const override {
    switch (static_cast<TlsErrc>(code)) {
      case TlsErrc::kConfiguration:
        return "TLS cannot be set up with that";
      case TlsErrc::kCertificate:
        return "the peer's certificate is not accepted";
      case TlsErrc::kAlert:
        return "the peer ended the TLS connection with an alert";
      case TlsErrc::kProtocol:
        return "TLS failed";
      case TlsErrc::kTruncated:
        return "the connection ended without TLS's end, so something may be missing";
    }
    return "TLS error " + std::to_string(code);
  }
};

}  // namespace

const std::error_category& tls_category() noexcept {
  static const TlsCategory category;
  return category;
}

namespace detail {

std::string take_reason() {
  // The oldest entry is the cause, the others say what it led to.
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
  std::string reason = "no reason given";
  if (ERR_SYSTEM_ERROR(code)) {
    reason = std::system_category().message(ERR_GET_REASON(code));
  } else if (const char* const text = ERR_reason_error_string(code)) {
    reason = text;
  } else if (code != 0) {
    reason = "OpenSSL error " + std::to_string(code);
  }
  if ((flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0') {
    reason = reason + " (" + data + ')';
  }
  ERR_clear_error();
  return reason;
}

void throw_configuration(const std::string& object) {
  throw TlsError(TlsErrc::kConfiguration, object + ": " + take_reason());
}

}  // namespace detail
}  // namespace weft
