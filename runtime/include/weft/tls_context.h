#pragma once

// Part of weft_tls, a library of its own: see <weft/tls.h>.

#include <weft/tls_error.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

namespace detail {
class TlsCertificateState;
class TlsContextState;
}  // namespace detail

enum class TlsVersion { kTls12, kTls13 };

/// A certificate, those that lead from it to an authority, and its private key: what one side shows
/// of itself. Cannot be changed; copies share it. May be made by any thread.
class TlsCertificate {
 public:
  /// Reads PEM files; the certificate itself comes first in `chain_file`. In a fiber the blocking
  /// pool reads them while the fiber waits, cancellably. Throws std::system_error that names the
  /// file, TlsError if it has not what it should, or if key and certificate do not belong together.
  static TlsCertificate load(const std::string& chain_file, const std::string& key_file);
  /// The same from PEM text. Never suspends.
  static TlsCertificate parse(std::string_view chain, std::string_view key);

  /// Whether it is for that host, a name or a numeric address.
  bool matches(const std::string& host) const;

  /// For the library itself.
  explicit TlsCertificate(std::shared_ptr<const detail::TlsCertificateState> state) noexcept
      : state_(std::move(state)) {}
  const detail::TlsCertificateState& state() const noexcept { return *state_; }

 private:
  std::shared_ptr<const detail::TlsCertificateState> state_;
};

/// What a certificate says.
struct TlsCertificateInfo {
  std::string subject, issuer;     ///< "CN=example.org,O=..."
  std::vector<std::string> names;  ///< DNS names and addresses that it is for.
  std::chrono::system_clock::time_point not_before, not_after;
  std::string sha256;  ///< The fingerprint, in lower-case hexadecimal digits.
  std::string pem;
};

/// How to be a client.
struct TlsClientOptions {
  /// Off: anybody may pose as the server. For tests.
  bool verify = true;
  /// Authorities to trust instead of the system's: a PEM file, PEM text, or both.
  std::string ca_file = {};
  std::string ca_pem = {};
  /// Trust the system's authorities beside those given.
  bool system_roots_too = false;
  /// Shown to servers that ask who the client is.
  std::optional<TlsCertificate> certificate = {};
  /// Protocols to offer, the preferred one first: "h2", "http/1.1". Empty: ALPN is not used.
  std::vector<std::string> alpn = {};
  TlsVersion min_version = TlsVersion::kTls12;
  TlsVersion max_version = TlsVersion::kTls13;
  /// Sessions kept, so that a later connection to the same server takes a short handshake. 0: none.
  std::size_t session_cache = 256;
};

/// Whether a server asks who the client is.
enum class TlsClientCertificates { kIgnore, kOptional, kRequired };

/// How to be a server.
struct TlsServerOptions {
  /// The one that matches the name the client asks for is shown, otherwise the first.
  std::vector<TlsCertificate> certificates = {};
  /// Asked first, with the name that the client gave ("" if none): the certificate to show, or
  /// nothing for one of `certificates`. Called in the fiber that accepts, several at a time, and
  /// may suspend. What it throws ends the handshake and is thrown by TlsStream::accept(). It must
  /// not hold on to the context.
  std::function<std::optional<TlsCertificate>(const std::string& name)> choose_certificate = {};
  /// Protocols in order of preference. A client that offers none of them is turned away; one that
  /// does not offer any is not. Empty: ALPN is not used.
  std::vector<std::string> alpn = {};
  TlsVersion min_version = TlsVersion::kTls12;
  TlsVersion max_version = TlsVersion::kTls13;
  /// Lets clients resume their sessions.
  bool session_tickets = true;
  TlsClientCertificates client_certificates = TlsClientCertificates::kIgnore;
  /// Authorities that clients' certificates must come from: a PEM file, PEM text, or both.
  std::string client_ca_file = {};
  std::string client_ca_pem = {};
};

/// What connections have in common: whom to trust, what to show, what to offer. Making one takes
/// milliseconds, so it is made once. Cannot be changed; copies share it, and any number of fibers
/// may use it at once.
class TlsContext {
 public:
  /// In a fiber the blocking pool does the work while the fiber waits, cancellably; a plain thread
  /// may call too. Throws TlsError for certificates that cannot be used, std::system_error for
  /// files that cannot be read, std::invalid_argument for options that make no sense.
  static TlsContext client(const TlsClientOptions& options = {});
  static TlsContext server(const TlsServerOptions& options);

  /// For the library itself.
  explicit TlsContext(std::shared_ptr<detail::TlsContextState> state) noexcept
      : state_(std::move(state)) {}
  const std::shared_ptr<detail::TlsContextState>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<detail::TlsContextState> state_;
};

}  // namespace weft
