#pragma once

// A blocking BIO of OpenSSL's, as a client without an event loop uses it.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace porting {

struct FreeSsl {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Context = std::unique_ptr<SSL_CTX, FreeSsl>;
using Bio = std::unique_ptr<BIO, FreeSsl>;

/// Of a client that trusts whom `ca` has signed.
inline Context make_context(const std::string& ca, int verify = SSL_VERIFY_PEER) {
  Context context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_load_verify_locations(context.get(), ca.c_str(), nullptr);
  SSL_CTX_set_verify(context.get(), verify, nullptr);
  return context;
}

/// Not connected yet: BIO_do_handshake() does that, too.
inline Bio make_bio(const Context& context, int port, const char* host = "localhost") {
  Bio bio(BIO_new_ssl_connect(context.get()));
  BIO_set_conn_hostname(bio.get(), ("127.0.0.1:" + std::to_string(port)).c_str());
  SSL* ssl = nullptr;
  BIO_get_ssl(bio.get(), &ssl);
  SSL_set1_host(ssl, host);
  return bio;
}
inline SSL* ssl_of(const Bio& bio) {
  SSL* ssl = nullptr;
  BIO_get_ssl(bio.get(), &ssl);
  return ssl;
}

/// All that comes until the other side has no more.
inline std::string read_to_end(const Bio& bio) {
  std::string all;
  char part[4096];
  for (int count = 0; (count = BIO_read(bio.get(), part, sizeof(part))) > 0;) {
    all.append(part, static_cast<std::size_t>(count));
  }
  return all;
}

/// What is behind the head of the answer to a request that asks for the end of the connection; ""
/// if there is none.
inline std::string get_page(const Bio& bio, int page) {
  const std::string request =
      "GET /" + std::to_string(page) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (BIO_puts(bio.get(), request.c_str()) != static_cast<int>(request.size())) return {};
  const std::string all = read_to_end(bio);
  const std::size_t head = all.find("\r\n\r\n");
  return head == std::string::npos ? "" : all.substr(head + 4);
}

}  // namespace porting
