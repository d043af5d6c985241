#pragma once

// Certificates, made when a test runs: nothing expires in the source tree, and no key is in it.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace support {

struct PemPair {
  std::string chain, key;
};

/// What a certificate is to say.
struct CertificateWish {
  std::string common_name = "localhost";
  /// As OpenSSL's configuration has it: "DNS:localhost,IP:127.0.0.1"; empty: none.
  std::string names = "DNS:localhost,IP:127.0.0.1";
  /// Days from today.
  int valid_from = -1, valid_until = 10;
};

/// An authority with a key of its own, which signs others.
class Authority {
 public:
  explicit Authority(const std::string& name = "weft test authority")
      : key_(make_key()), certificate_(make(name, *key_, nullptr, {name, "", -2, 20}, true)) {}

  std::string pem() const { return text_of(*certificate_); }
  PemPair issue(const CertificateWish& wish = {}) const {
    const Key key = make_key();
    const Certificate made = make(wish.common_name, *key, this, wish, false);
    return {text_of(*made), text_of(*key)};
  }
  /// One that no authority has signed.
  static PemPair self_signed(const CertificateWish& wish = {}) {
    const Key key = make_key();
    const Certificate made = make(wish.common_name, *key, nullptr, wish, false);
    return {text_of(*made), text_of(*key)};
  }

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(BIO* bio) const { BIO_free_all(bio); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  };
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  using Certificate = std::unique_ptr<X509, Free>;
  using Bio = std::unique_ptr<BIO, Free>;

  static void need(bool well) {
    if (!well) throw std::runtime_error("support: OpenSSL refuses to make a certificate");
  }
  static Key make_key() {
    Key key(EVP_EC_gen("P-256"));
    need(key != nullptr);
    return key;
  }
  static void extend(X509& made, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, &made, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, Free> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    need(extension != nullptr && X509_add_ext(&made, extension.get(), -1) == 1);
  }
  static Certificate make(const std::string& name, EVP_PKEY& key, const Authority* issuer,
                          const CertificateWish& wish, bool authority) {
    static long serial = 0;
    Certificate made(X509_new());
    X509* const raw = made.get();
    need(raw != nullptr && X509_set_version(raw, X509_VERSION_3) == 1);
    need(ASN1_INTEGER_set(X509_get_serialNumber(raw), ++serial) == 1);
    need(X509_gmtime_adj(X509_getm_notBefore(raw), wish.valid_from * 86'400L) != nullptr);
    need(X509_gmtime_adj(X509_getm_notAfter(raw), wish.valid_until * 86'400L) != nullptr);
    need(X509_set_pubkey(raw, &key) == 1);
    X509_NAME* const subject = X509_get_subject_name(raw);
    need(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1,
                                    0) == 1);
    X509* const above = issuer != nullptr ? issuer->certificate_.get() : raw;
    need(X509_set_issuer_name(raw, X509_get_subject_name(above)) == 1);
    extend(*raw, above, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wish.names.empty()) extend(*raw, above, NID_subject_alt_name, wish.names);
    EVP_PKEY* const signer = issuer != nullptr ? issuer->key_.get() : &key;
    need(X509_sign(raw, signer, EVP_sha256()) > 0);
    return made;
  }
  static std::string text_of(const Bio& bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  static std::string text_of(X509& certificate) {
    const Bio bio(BIO_new(BIO_s_mem()));
    need(PEM_write_bio_X509(bio.get(), &certificate) == 1);
    return text_of(bio);
  }
  static std::string text_of(EVP_PKEY& key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    need(PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return text_of(bio);
  }

  Key key_;
  Certificate certificate_;
};

}  // namespace support
