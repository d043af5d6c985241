#include "io/tls/context.h"

#include <openssl/err.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "io/tls/certificate.h"
#include "io/tls/engine.h"
#include "io/tls/off_worker.h"

namespace weft {

namespace detail {
namespace {

using StatePtr = std::shared_ptr<TlsContextState>;

int number_of(TlsVersion version) noexcept {
  return version == TlsVersion::kTls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

// One byte of length before each name: RFC 7301.
std::string alpn_on_the_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      throw std::invalid_argument("TlsContext: alpn: a protocol's name has 1 to 255 bytes, not " +
                                  std::to_string(protocol.size()));
    }
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  if (wire.size() > 65'535) throw std::invalid_argument("TlsContext: alpn: too many protocols");
  return wire;
}

void set_versions(SSL_CTX* ctx, TlsVersion least, TlsVersion most) {
  if (least > most) {
    throw std::invalid_argument("TlsContext: min_version is above max_version");
  }
  if (SSL_CTX_set_min_proto_version(ctx, number_of(least)) != 1 ||
      SSL_CTX_set_max_proto_version(ctx, number_of(most)) != 1) {
    throw_configuration("TlsContext: versions");
  }
}

SslCtxPtr make_ctx(const SSL_METHOD* method) {
  ERR_clear_error();
  SslCtxPtr ctx(SSL_CTX_new(method));
  if (ctx == nullptr) throw_configuration("TlsContext");
  // Renegotiation is a door for attacks, and gone in TLS 1.3; so is compression.
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // The engine may be called again with the same data elsewhere; a connection that rests gives its
  // buffers back.
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return ctx;
}

// Read at once, as OpenSSL's own way reads folders of certificates in the middle of a handshake.
// Where the bundle is: as the distributions have it.
void trust_the_system(SSL_CTX* ctx) {
  const bool told =
      std::getenv("SSL_CERT_FILE") != nullptr || std::getenv("SSL_CERT_DIR") != nullptr;
  X509_STORE* const store = SSL_CTX_get_cert_store(ctx);
  for (const char* const bundle :
       {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem"}) {
    if (told || X509_STORE_load_file(store, bundle) != 1) continue;
    ERR_clear_error();
    return;
  }
  ERR_clear_error();
  if (SSL_CTX_set_default_verify_paths(ctx) != 1) throw_configuration("the system's authorities");
}

std::vector<X509Ptr> authorities(const std::string& file, const std::string& pem) {
  std::vector<X509Ptr> all;
  if (!file.empty()) all = parse_certificates(read_pem_file(file), '\'' + file + '\'');
  if (!pem.empty()) {
    for (X509Ptr& each : parse_certificates(pem, "(text)")) all.push_back(std::move(each));
  }
  return all;
}

void trust(SSL_CTX* ctx, const std::vector<X509Ptr>& all) {
  for (const X509Ptr& each : all) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), each.get()) != 1) {
      throw_configuration("an authority");
    }
  }
}

void use_in_ctx(SSL_CTX* ctx, const TlsCertificate& certificate) {
  const TlsCertificateState& state = certificate.state();
  if (SSL_CTX_use_certificate(ctx, state.certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(ctx, state.key.get()) != 1) {
    throw_configuration("TlsContext: certificate");
  }
  for (const X509Ptr& each : state.chain) {
    if (SSL_CTX_add1_chain_cert(ctx, each.get()) != 1) {
      throw_configuration("TlsContext: certificate chain");
    }
  }
}

StatePtr make_client(const TlsClientOptions& options) {
  auto state = std::make_shared<TlsContextState>(true, options.session_cache);
  state->verify = options.verify;
  state->ctx = make_ctx(TLS_client_method());
  SSL_CTX* const ctx = state->ctx.get();
  set_versions(ctx, options.min_version, options.max_version);
  const std::vector<X509Ptr> own = authorities(options.ca_file, options.ca_pem);
  trust(ctx, own);
  if (options.verify && (own.empty() || options.system_roots_too)) trust_the_system(ctx);
  SSL_CTX_set_verify(ctx, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.certificate.has_value()) use_in_ctx(ctx, *options.certificate);
  const std::string wire = alpn_on_the_wire(options.alpn);
  if (!wire.empty() &&
      SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(wire.data()),
                              static_cast<unsigned>(wire.size())) != 0) {
    throw_configuration("TlsContext: alpn");
  }
  if (state->sessions.enabled()) {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, &TlsEngine::keep_session);
  } else {
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  }
  return state;
}

int choose_alpn(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                unsigned offered_size, void* state) {
  const std::string& ours = static_cast<const TlsContextState*>(state)->alpn;
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered, offered_size);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Without one, OpenSSL would not bind a session to the name it is for.
int accept_any_name(SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; }

void ask_for_client_certificates(SSL_CTX* ctx, const TlsServerOptions& options) {
  if (options.client_certificates == TlsClientCertificates::kIgnore) return;
  const std::vector<X509Ptr> all = authorities(options.client_ca_file, options.client_ca_pem);
  if (all.empty()) {
    throw std::invalid_argument(
        "TlsContext::server: client_certificates needs client_ca_file or client_ca_pem");
  }
  trust(ctx, all);
  for (const X509Ptr& each : all) {
    if (SSL_CTX_add_client_CA(ctx, each.get()) != 1) throw_configuration("an authority");
  }
  const bool required = options.client_certificates == TlsClientCertificates::kRequired;
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
}

void set_tickets(SSL_CTX* ctx, bool on) {
  // Tickets keep the session at the client; nothing is kept here.
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  constexpr unsigned char kName[] = "weft";
  SSL_CTX_set_session_id_context(ctx, kName, sizeof(kName) - 1);
  if (on) return;
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(ctx, 0);
}

StatePtr make_server(const TlsServerOptions& options) {
  if (options.certificates.empty() && !options.choose_certificate) {
    throw std::invalid_argument(
        "TlsContext::server: a server needs certificates, or choose_certificate");
  }
  auto state = std::make_shared<TlsContextState>(false, 0);
  state->certificates = options.certificates;
  state->choose = options.choose_certificate;
  state->alpn = alpn_on_the_wire(options.alpn);
  state->ctx = make_ctx(TLS_server_method());
  SSL_CTX* const ctx = state->ctx.get();
  set_versions(ctx, options.min_version, options.max_version);
  for (const TlsCertificate& each : options.certificates) {
    // Each is tried, so that one that OpenSSL refuses shows now and not to a client.
    const SslPtr trial(SSL_new(ctx));
    if (trial == nullptr || !each.state().use_in(trial.get())) {
      throw_configuration("TlsContext::server: certificate");
    }
  }
  ask_for_client_certificates(ctx, options);
  set_tickets(ctx, options.session_tickets);
  // SSL_CTX_set_tlsext_servername_callback, a macro that casts as C does.
  SSL_CTX_callback_ctrl(ctx, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(&accept_any_name));
  SSL_CTX_set_cert_cb(ctx, &TlsEngine::choose_certificate, nullptr);
  if (!state->alpn.empty()) SSL_CTX_set_alpn_select_cb(ctx, &choose_alpn, state.get());
  return state;
}

}  // namespace
}  // namespace detail

TlsContext TlsContext::client(const TlsClientOptions& options) {
  return TlsContext(detail::off_worker([options] { return detail::make_client(options); }));
}

TlsContext TlsContext::server(const TlsServerOptions& options) {
  return TlsContext(detail::off_worker([options] { return detail::make_server(options); }));
}

}  // namespace weft
