#pragma once

// OpenSSL's state machine of one connection. It computes and never waits: what it wants to send
// collects on the wire, and when it needs more input it says so. Whoever uses it carries the
// records between its calls.
//
// The other design, a BIO whose callbacks wait for the socket, suspends the fiber inside OpenSSL,
// and the fiber may go on in another thread. But OpenSSL keeps its errors in a queue of the thread:
// it would look for them where they are not, and find those of whoever ran there meanwhile.

#include <weft/tls.h>
#include <weft/tls_context.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "io/tls/context.h"
#include "io/tls/openssl.h"
#include "io/tls/wire.h"

namespace weft::detail {

enum class TlsStep : std::uint8_t {
  kDone,
  kNeedsInput,        ///< All that has arrived is used up; call again when there is more.
  kNeedsCertificate,  ///< Call certificate_chosen() with what the server is to show, and again.
  kEnd,               ///< The peer has declared its end; of a write: this side has.
  kFailed,            ///< See failure(); so will every later call.
};

struct TlsFailure {
  TlsErrc error;
  std::string text;
  long verify_result;
};

/// Calls must not overlap. None of them suspends.
class TlsEngine {
 public:
  /// `expected` is the host a client wants to reach, `server` names it in the session cache.
  TlsEngine(std::shared_ptr<TlsContextState> context, std::string expected, std::string server);
  ~TlsEngine();
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;

  TlsStep handshake();
  /// kDone: with the `count` bytes that were there, at least one.
  TlsStep read(std::span<std::byte> into, std::size_t& count);
  /// kDone: all of it is on the wire. kNeedsInput: nothing is.
  TlsStep write(std::span<const std::byte> data);
  /// Declares the end, once.
  TlsStep end_writing();
  TlsStep update_keys(bool both);

  Wire& wire() noexcept { return wire_; }
  bool has_failed() const noexcept { return failure_.has_value(); }
  const TlsFailure& failure() const noexcept { return *failure_; }

  /// For kNeedsCertificate: the name that the client gave.
  std::string server_name() const;
  /// Nothing: the default for that name.
  void certificate_chosen(std::optional<TlsCertificate> certificate);
  /// There is none: the handshake will fail.
  void certificate_refused() noexcept;

  // -- After the handshake.

  TlsVersion version() const noexcept;
  std::string cipher() const;
  std::string alpn() const;
  bool resumed() const noexcept;
  X509Ptr peer_certificate() const noexcept;

  // -- OpenSSL's callbacks.

  static int keep_session(SSL* ssl, SSL_SESSION* session) noexcept;
  static int choose_certificate(SSL* ssl, void*) noexcept;

 private:
  enum class Choice : std::uint8_t { kOpen, kMade, kRefused };

  void expect_host();
  void offer_session();
  TlsStep step_of(int result);
  TlsStep finish_message();
  bool has_ended_writing() const noexcept;
  TlsFailure describe_failure(int kind) const;
  const TlsCertificate* certificate_for(const std::string& name) const noexcept;

  const std::shared_ptr<TlsContextState> context_;
  const std::string expected_, server_;
  Wire wire_;
  std::optional<TlsCertificate> chosen_;
  Choice choice_ = Choice::kOpen;
  std::optional<TlsFailure> failure_;
  SslPtr ssl_;  // last: it uses the others
};

}  // namespace weft::detail
