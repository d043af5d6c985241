#include "io/tls/certificate.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>
#include <weft/address.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <limits>
#include <stdexcept>

#include "io/io_error.h"
#include "io/tls/off_worker.h"

namespace weft {

namespace detail {
namespace {

using X509Stack =
    std::unique_ptr<STACK_OF(X509), decltype([](STACK_OF(X509) * stack) { sk_X509_free(stack); })>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreeBy<&GENERAL_NAMES_free>>;

BioPtr reader_of(std::string_view text) {
  if (text.size() > std::size_t{std::numeric_limits<int>::max()}) {
    throw std::invalid_argument("weft: a PEM text of more than two gigabytes");
  }
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (bio == nullptr) throw std::bad_alloc();
  return bio;
}

// OpenSSL's own would ask the terminal.
int no_password(char*, int, int, void*) { return -1; }

PkeyPtr parse_key(std::string_view pem, const std::string& object) {
  ERR_clear_error();
  PkeyPtr key(PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, &no_password, nullptr));
  if (key == nullptr) throw_configuration("private key " + object);
  return key;
}

std::shared_ptr<const TlsCertificateState> make_certificate(std::string_view chain_pem,
                                                            const std::string& chain_object,
                                                            std::string_view key_pem,
                                                            const std::string& key_object) {
  auto state = std::make_shared<TlsCertificateState>();
  state->chain = parse_certificates(chain_pem, chain_object);
  state->certificate = std::move(state->chain.front());
  state->chain.erase(state->chain.begin());
  state->key = parse_key(key_pem, key_object);
  ERR_clear_error();
  if (X509_check_private_key(state->certificate.get(), state->key.get()) != 1) {
    throw_configuration("private key " + key_object + " of certificate " + chain_object);
  }
  return state;
}

std::string text_of(const BioPtr& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string text_of(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr) throw std::bad_alloc();
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return text_of(bio);
}

std::string text_of(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    const unsigned char* const data = ASN1_STRING_get0_data(name->d.dNSName);
    return {reinterpret_cast<const char*>(data),
            static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))};
  }
  if (name->type != GEN_IPADD) return {};
  const unsigned char* const data = ASN1_STRING_get0_data(name->d.iPAddress);
  const int size = ASN1_STRING_length(name->d.iPAddress);
  if (size == 4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    std::copy_n(data, 4, reinterpret_cast<unsigned char*>(&v4.sin_addr));
    return SocketAddress::from(reinterpret_cast<const sockaddr*>(&v4), sizeof(v4))->host();
  }
  if (size != 16) return {};
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  std::copy_n(data, 16, reinterpret_cast<unsigned char*>(&v6.sin6_addr));
  return SocketAddress::from(reinterpret_cast<const sockaddr*>(&v6), sizeof(v6))->host();
}

std::vector<std::string> names_of(X509& certificate) {
  std::vector<std::string> names;
  const NamesPtr list(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(list.get()); ++i) {
    std::string name = text_of(sk_GENERAL_NAME_value(list.get(), i));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string fingerprint_of(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

std::string pem_of(X509& certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), &certificate) != 1) throw std::bad_alloc();
  return text_of(bio);
}

}  // namespace

bool TlsCertificateState::use_in(SSL* ssl) const {
  const X509Stack others(sk_X509_new_null());
  if (others == nullptr) return false;
  for (const X509Ptr& each : chain) {
    if (sk_X509_push(others.get(), each.get()) == 0) return false;
  }
  return SSL_use_cert_and_key(ssl, certificate.get(), key.get(), others.get(), 1) == 1;
}

std::vector<X509Ptr> parse_certificates(std::string_view pem, const std::string& object) {
  const BioPtr reader = reader_of(pem);
  std::vector<X509Ptr> found;
  ERR_clear_error();
  while (X509* const next = PEM_read_bio_X509(reader.get(), nullptr, &no_password, nullptr)) {
    found.emplace_back(next);
  }
  // The end of the text shows as one more that does not begin.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (found.empty() || !at_end) throw_configuration("certificate " + object);
  ERR_clear_error();
  return found;
}

// Not inlined, for the sake of errno: it may be called by a fiber that has suspended.
[[gnu::noinline]] std::string read_pem_file(const std::string& path) {
  check_path(path, "open");
  const auto fail = [&path](const char* operation) {
    throw std::system_error(errno, std::system_category(), operation + (" '" + path + '\''));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open");
  const std::unique_ptr<const int, decltype([](const int* held) { ::close(*held); })> closer(&fd);
  std::string text;
  std::array<char, 8192> buffer;
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("read");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

TlsCertificateInfo describe(X509& certificate) {
  TlsCertificateInfo info{text_of(X509_get_subject_name(&certificate)),
                          text_of(X509_get_issuer_name(&certificate)),
                          names_of(certificate),
                          time_of(X509_get0_notBefore(&certificate)),
                          time_of(X509_get0_notAfter(&certificate)),
                          fingerprint_of(certificate),
                          pem_of(certificate)};
  ERR_clear_error();
  return info;
}

}  // namespace detail

TlsCertificate TlsCertificate::load(const std::string& chain_file, const std::string& key_file) {
  return TlsCertificate(detail::off_worker([chain_file, key_file] {
    return detail::make_certificate(detail::read_pem_file(chain_file), '\'' + chain_file + '\'',
                                    detail::read_pem_file(key_file), '\'' + key_file + '\'');
  }));
}

TlsCertificate TlsCertificate::parse(std::string_view chain, std::string_view key) {
  return TlsCertificate(detail::make_certificate(chain, "(text)", key, "(text)"));
}

bool TlsCertificate::matches(const std::string& host) const {
  X509* const certificate = state_->certificate.get();
  const bool numeric = SocketAddress::parse(host, 0).has_value();
  const int found = numeric ? X509_check_ip_asc(certificate, host.c_str(), 0)
                            : X509_check_host(certificate, host.data(), host.size(),
                                              X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr);
  ERR_clear_error();
  return found == 1;
}

}  // namespace weft
