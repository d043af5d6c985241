#pragma once

// OpenSSL's objects with owners. OpenSSL reports errors through a queue of the thread, and a fiber
// that suspends may go on in another one. So nothing here, nor what uses it, suspends between a
// call that may fail and the look at the queue.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <weft/tls_error.h>

#include <memory>
#include <string>

namespace weft::detail {

template <auto kFree>
struct FreeBy {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};

using SslPtr = std::unique_ptr<SSL, FreeBy<&SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, FreeBy<&SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, FreeBy<&SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, FreeBy<&X509_free>>;
using PkeyPtr = std::unique_ptr<EVP_PKEY, FreeBy<&EVP_PKEY_free>>;
using BioPtr = std::unique_ptr<BIO, FreeBy<&BIO_free_all>>;

/// OpenSSL's reason for the failure of the call just made, in words; empties the thread's queue.
std::string take_reason();

/// Throws TlsErrc::kConfiguration: "`object`: " and OpenSSL's reason.
[[noreturn]] void throw_configuration(const std::string& object);

}  // namespace weft::detail
