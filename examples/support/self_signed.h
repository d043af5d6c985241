#pragma once

// A certificate for "localhost" that nobody but its maker vouches for: for examples. A real server
// loads one from files, see weft::TlsCertificate::load.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

struct SelfSigned {
  std::string certificate, key;  // PEM
};

inline SelfSigned make_self_signed() {
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(BIO* bio) const { BIO_free(bio); }
  };
  const auto need = [](bool well) {
    if (!well) throw std::runtime_error("OpenSSL cannot make a certificate");
  };
  const auto text_of = [](BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return std::string(data, static_cast<std::size_t>(size));
  };
  const std::unique_ptr<EVP_PKEY, Free> key(EVP_EC_gen("P-256"));
  const std::unique_ptr<X509, Free> made(X509_new());
  X509* const raw = made.get();
  need(key != nullptr && raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1);
  need(X509_gmtime_adj(X509_getm_notBefore(raw), -3600) != nullptr);
  need(X509_gmtime_adj(X509_getm_notAfter(raw), 3600) != nullptr);
  X509_NAME* const name = X509_get_subject_name(raw);
  const auto* const host = reinterpret_cast<const unsigned char*>("localhost");
  need(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, host, -1, -1, 0) == 1);
  need(X509_set_issuer_name(raw, name) == 1 && X509_set_pubkey(raw, key.get()) == 1);
  const std::unique_ptr<X509_EXTENSION, Free> names(
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost"));
  need(names != nullptr && X509_add_ext(raw, names.get(), -1) == 1);
  need(X509_sign(raw, key.get(), EVP_sha256()) > 0);

  const std::unique_ptr<BIO, Free> one(BIO_new(BIO_s_mem())), other(BIO_new(BIO_s_mem()));
  need(PEM_write_bio_X509(one.get(), raw) == 1);
  need(PEM_write_bio_PrivateKey(other.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
       1);
  return {text_of(one.get()), text_of(other.get())};
}
