// OpenSSL's blocking BIOs in fibers: under load, under time limits, and before the wrong server.

#include <gtest/gtest.h>
#include <signal.h>
#include <weft/runtime.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "beat.h"
#include "limited.h"
#include "nginx_server.h"
#include "openssl_bio.h"
#include "silent_server.h"

namespace {

using porting::Bio;
using porting::Context;
using porting::make_bio;
using porting::make_context;
using porting::NginxServer;

class OpenSsl : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = NginxServer::start(why_); }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (server_ == nullptr) porting::lacking(why_);
    ERR_clear_error();
  }

  static inline std::unique_ptr<NginxServer> server_;
  static inline std::string why_;
};

TEST_F(OpenSsl, LoadLeavesTheBeatAndThePagesInOrder) {
  porting::go_before_servers();
  constexpr int kFibers = 200, kPages = 10;
  const Context context = make_context(server_->ca());
  std::vector<std::string> pages;
  for (int i = 0; i < server_->kPages; ++i) pages.push_back(server_->page(i));
  std::atomic<int> fetched{0};
  const auto load = [&](int number) {
    for (int i = 0; i < kPages; ++i) {
      const int page = 1 + (number + i * 7) % (server_->kPages - 1);
      const Bio bio = make_bio(context, server_->https_port());
      ASSERT_EQ(BIO_do_handshake(bio.get()), 1);
      EXPECT_TRUE(porting::get_page(bio, page) == pages[static_cast<std::size_t>(page)]) << page;
      ++fetched;
    }
  };
  porting::show("OpenSSL, 2,000 connections by 200 threads",
                porting::beat_beside_threads(kFibers, load));
  porting::expect_beat("OpenSSL, 2,000 connections by 200 fibers",
                       [&] { return porting::beat_beside_fibers(kFibers, load); });
  EXPECT_EQ(fetched % (kFibers * kPages), 0);
}

TEST_F(OpenSsl, ReadEndsInTime) {
  weft::run([] {
    const Context context = make_context(server_->ca());
    const auto descriptors = porting::open_descriptors();
    {
      const Bio bio = make_bio(context, server_->https_port());
      ASSERT_EQ(BIO_do_handshake(bio.get()), 1);
      char part[16];
      porting::expect_timeout([&] {
        const int count = SSL_read(porting::ssl_of(bio), part, sizeof(part));
        const int error = errno;
        EXPECT_EQ(count, -1);
        EXPECT_EQ(SSL_get_error(porting::ssl_of(bio), count), SSL_ERROR_SYSCALL);
        EXPECT_EQ(error, ECANCELED);
      });
      // As documented after SSL_ERROR_SYSCALL, no more is to be done with it; another works.
      const Bio another = make_bio(context, server_->https_port());
      EXPECT_TRUE(porting::get_page(another, 3) == server_->page(3));
    }
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(OpenSsl, HandshakeEndsInTimeOrByCancellation) {
  weft::run([] {
    const porting::SilentServer silent;
    const Context context = make_context(server_->ca());
    const auto descriptors = porting::open_descriptors();
    const auto shake_hands = [&] {
      const Bio bio = make_bio(context, silent.port());
      EXPECT_NE(BIO_do_handshake(bio.get()), 1);
      EXPECT_FALSE(BIO_should_retry(bio.get()));
    };
    porting::expect_timeout(shake_hands);
    porting::expect_cancelled(shake_hands);
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(OpenSsl, WrongCertificateIsRefused) {
  weft::run([] {
    const Context context = make_context(server_->ca());
    const Bio untrusted = make_bio(context, server_->untrusted_port());
    EXPECT_NE(BIO_do_handshake(untrusted.get()), 1);
    EXPECT_EQ(SSL_get_verify_result(porting::ssl_of(untrusted)),
              X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    const Bio misnamed = make_bio(context, server_->https_port(), "other.test");
    EXPECT_NE(BIO_do_handshake(misnamed.get()), 1);
    EXPECT_EQ(SSL_get_verify_result(porting::ssl_of(misnamed)), X509_V_ERR_HOSTNAME_MISMATCH);
    const Context careless = make_context(server_->ca(), SSL_VERIFY_NONE);
    const Bio told = make_bio(careless, server_->untrusted_port());
    EXPECT_EQ(BIO_do_handshake(told.get()), 1);
    EXPECT_EQ(SSL_get_verify_result(porting::ssl_of(told)), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
  });
}

TEST_F(OpenSsl, ConnectionIsRefused) {
  weft::run([] {
    const Context context = make_context(server_->ca());
    const auto descriptors = porting::open_descriptors();
    {
      const Bio bio = make_bio(context, porting::free_port());
      EXPECT_NE(BIO_do_connect(bio.get()), 1);
      EXPECT_FALSE(BIO_should_retry(bio.get()));
    }
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

}  // namespace
