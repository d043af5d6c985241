#include "io/tls/engine.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <weft/address.h>

#include <new>
#include <stdexcept>
#include <utility>

#include "io/tls/certificate.h"

namespace weft::detail {

namespace {

// Alerts that the peer sent show as reasons behind this offset.
bool is_alert(int reason) noexcept { return reason >= SSL_AD_REASON_OFFSET; }

// SSL_set_tlsext_host_name, a macro that casts as C does.
bool ask_for_name(SSL* ssl, std::string& name) noexcept {
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

}  // namespace

TlsEngine::TlsEngine(std::shared_ptr<TlsContextState> context, std::string expected,
                     std::string server)
    : context_(std::move(context)), expected_(std::move(expected)), server_(std::move(server)) {
  ERR_clear_error();
  ssl_.reset(SSL_new(context_->ctx.get()));
  if (ssl_ == nullptr) throw_configuration("TLS connection");
  BIO* const bio = wire_.make_bio().release();
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  if (context_->is_client) {
    SSL_set_connect_state(ssl_.get());
    expect_host();
    offer_session();
  } else {
    SSL_set_accept_state(ssl_.get());
  }
}

TlsEngine::~TlsEngine() {
  // Without a word of farewell OpenSSL would declare the session unfit to be resumed. That was a
  // rule of TLS 1.0; truncation is noticed by whoever reads.
  if (!failure_.has_value() && !SSL_in_init(ssl_.get())) {
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
}

// A numeric address is looked for among the certificate's addresses, and is not sent as a name:
// RFC 6066, 3.
void TlsEngine::expect_host() {
  if (expected_.empty()) {
    if (!context_->verify) return;
    throw std::invalid_argument("TlsStream: the host to expect is empty");
  }
  if (expected_.find('\0') != std::string::npos) {
    throw std::invalid_argument("TlsStream: the host to expect contains a zero byte");
  }
  const bool numeric = SocketAddress::parse(expected_, 0).has_value();
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (numeric) {
    const std::string address = expected_.substr(0, expected_.find('%'));
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, address.c_str()) == 1) return;
  } else {
    std::string name = expected_;
    if (name.size() > 1 && name.back() == '.') name.pop_back();  // certificates know no such names
    if (X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) == 1 &&
        ask_for_name(ssl_.get(), name)) {
      return;
    }
  }
  throw_configuration("TLS connection to '" + expected_ + '\'');
}

void TlsEngine::offer_session() {
  const SslSessionPtr session = context_->sessions.take(server_);
  // Refused, it is one full handshake more.
  if (session != nullptr && SSL_set_session(ssl_.get(), session.get()) != 1) ERR_clear_error();
}

// ---- The calls. OpenSSL wants the thread's queue empty before each.

TlsStep TlsEngine::step_of(int result) {
  if (failure_.has_value()) return TlsStep::kFailed;
  const int kind = SSL_get_error(ssl_.get(), result);
  switch (kind) {
    case SSL_ERROR_NONE:
      return TlsStep::kDone;
    case SSL_ERROR_WANT_READ:
      return TlsStep::kNeedsInput;
    case SSL_ERROR_WANT_X509_LOOKUP:
      return TlsStep::kNeedsCertificate;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStep::kEnd;
    default:
      failure_ = describe_failure(kind);
      ERR_clear_error();
      return TlsStep::kFailed;
  }
}

TlsStep TlsEngine::handshake() {
  if (failure_.has_value()) return TlsStep::kFailed;
  ERR_clear_error();
  return step_of(SSL_do_handshake(ssl_.get()));
}

TlsStep TlsEngine::read(std::span<std::byte> into, std::size_t& count) {
  if (failure_.has_value()) return TlsStep::kFailed;
  ERR_clear_error();
  return step_of(SSL_read_ex(ssl_.get(), into.data(), into.size(), &count));
}

TlsStep TlsEngine::write(std::span<const std::byte> data) {
  if (failure_.has_value()) return TlsStep::kFailed;
  if (has_ended_writing()) return TlsStep::kEnd;
  ERR_clear_error();
  std::size_t written = 0;
  return step_of(SSL_write_ex(ssl_.get(), data.data(), data.size(), &written));
}

// The peer may spread a message of the handshake, a new ticket say, over several records; in the
// middle of one OpenSSL does nothing else.
TlsStep TlsEngine::finish_message() {
  return SSL_in_init(ssl_.get()) ? handshake() : TlsStep::kDone;
}

bool TlsEngine::has_ended_writing() const noexcept {
  return (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0;
}

TlsStep TlsEngine::end_writing() {
  if (failure_.has_value()) return TlsStep::kFailed;
  // Called a second time, OpenSSL would wait for the peer's.
  if (has_ended_writing()) return TlsStep::kDone;
  if (const TlsStep step = finish_message(); step != TlsStep::kDone) return step;
  ERR_clear_error();
  const int result = SSL_shutdown(ssl_.get());
  return result >= 0 ? TlsStep::kDone : step_of(result);
}

TlsStep TlsEngine::update_keys(bool both) {
  if (failure_.has_value()) return TlsStep::kFailed;
  if (has_ended_writing()) return TlsStep::kEnd;
  if (const TlsStep step = finish_message(); step != TlsStep::kDone) return step;
  ERR_clear_error();
  const int kind = both ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
  if (SSL_key_update(ssl_.get(), kind) != 1) throw TlsError(TlsErrc::kProtocol, take_reason());
  return handshake();
}

TlsFailure TlsEngine::describe_failure(int kind) const {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
  if (kind == SSL_ERROR_SYSCALL && code == 0) {
    if (wire_.ended()) return {TlsErrc::kTruncated, "unexpected end", 0};
    return {TlsErrc::kProtocol, "out of memory", 0};  // the wire's only failure
  }
  if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return {TlsErrc::kTruncated, take_reason(), 0};
  }
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const long verify = SSL_get_verify_result(ssl_.get());
    std::string text = take_reason() + ": " + X509_verify_cert_error_string(verify);
    if (!expected_.empty()) text += ", expected '" + expected_ + '\'';
    return {TlsErrc::kCertificate, std::move(text), verify};
  }
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    return {TlsErrc::kCertificate, take_reason(), 0};
  }
  return {is_alert(reason) ? TlsErrc::kAlert : TlsErrc::kProtocol, take_reason(), 0};
}

// ---- A server's certificate.

std::string TlsEngine::server_name() const {
  const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name != nullptr ? name : "";
}

void TlsEngine::certificate_chosen(std::optional<TlsCertificate> certificate) {
  chosen_ = std::move(certificate);
  choice_ = Choice::kMade;
}

void TlsEngine::certificate_refused() noexcept { choice_ = Choice::kRefused; }

const TlsCertificate* TlsEngine::certificate_for(const std::string& name) const noexcept {
  const std::vector<TlsCertificate>& all = context_->certificates;
  if (!name.empty()) {
    for (const TlsCertificate& each : all) {
      if (each.matches(name)) return &each;
    }
  }
  return all.empty() ? nullptr : &all.front();
}

int TlsEngine::choose_certificate(SSL* ssl, void*) noexcept {
  TlsEngine& self = *static_cast<TlsEngine*>(SSL_get_app_data(ssl));
  if (self.choice_ == Choice::kRefused) return 0;
  if (self.choice_ == Choice::kOpen && self.context_->choose) return -1;  // comes again
  try {
    const TlsCertificate* const shown =
        self.chosen_.has_value() ? &*self.chosen_ : self.certificate_for(self.server_name());
    return shown != nullptr && shown->state().use_in(ssl) ? 1 : 0;
  } catch (const std::bad_alloc&) {
    return 0;
  }
}

// ---- Sessions, and what was agreed upon.

int TlsEngine::keep_session(SSL* ssl, SSL_SESSION* session) noexcept {
  const TlsEngine& self = *static_cast<const TlsEngine*>(SSL_get_app_data(ssl));
  if (SSL_SESSION_is_resumable(session) != 1) return 0;
  SslSessionPtr kept(session);
  try {
    self.context_->sessions.put(self.server_, std::move(kept));
  } catch (const std::bad_alloc&) {
    // One full handshake more, later. The session is gone with the argument.
  }
  return 1;
}

TlsVersion TlsEngine::version() const noexcept {
  return SSL_version(ssl_.get()) == TLS1_3_VERSION ? TlsVersion::kTls13 : TlsVersion::kTls12;
}

std::string TlsEngine::cipher() const { return SSL_get_cipher_name(ssl_.get()); }

std::string TlsEngine::alpn() const {
  const unsigned char* data = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &data, &size);
  return size > 0 ? std::string(reinterpret_cast<const char*>(data), size) : std::string();
}

bool TlsEngine::resumed() const noexcept { return SSL_session_reused(ssl_.get()) == 1; }

X509Ptr TlsEngine::peer_certificate() const noexcept {
  return X509Ptr(SSL_get1_peer_certificate(ssl_.get()));
}

}  // namespace weft::detail
