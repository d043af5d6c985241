#include "io/tls/session_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::detail {
namespace {

SslSessionPtr session_of(int version) {
  SslSessionPtr session(SSL_SESSION_new());
  SSL_SESSION_set_protocol_version(session.get(), version);
  return session;
}

TEST(SessionCache, ForgetsWhoWasUsedLongestAgo) {
  TlsSessionCache cache(2);
  cache.put("a", session_of(TLS1_2_VERSION));
  cache.put("b", session_of(TLS1_2_VERSION));
  EXPECT_NE(cache.take("a"), nullptr);
  cache.put("c", session_of(TLS1_2_VERSION));
  EXPECT_EQ(cache.take("b"), nullptr);
  EXPECT_NE(cache.take("a"), nullptr);
  EXPECT_NE(cache.take("c"), nullptr);
}

TEST(SessionCache, GivesATicketOfTls13Once) {
  TlsSessionCache cache(2);
  SslSessionPtr first = session_of(TLS1_3_VERSION), second = session_of(TLS1_3_VERSION);
  SSL_SESSION* const newest = second.get();
  cache.put("a", std::move(first));
  cache.put("a", std::move(second));
  EXPECT_EQ(cache.take("a").get(), newest);
  EXPECT_NE(cache.take("a"), nullptr);
  EXPECT_EQ(cache.take("a"), nullptr);
}

TEST(SessionCache, GivesASessionOfTls12AgainAndAgain) {
  TlsSessionCache cache(2);
  cache.put("a", session_of(TLS1_2_VERSION));
  const SslSessionPtr one = cache.take("a"), other = cache.take("a");
  EXPECT_NE(one, nullptr);
  EXPECT_EQ(one.get(), other.get());
}

TEST(SessionCache, KeepsFewOfOneServer) {
  TlsSessionCache cache(2);
  for (int i = 0; i < 100; ++i) cache.put("a", session_of(TLS1_3_VERSION));
  int kept = 0;
  while (cache.take("a") != nullptr) ++kept;
  EXPECT_EQ(kept, 4);
}

TEST(SessionCache, OfNoServersKeepsNothing) {
  TlsSessionCache cache(0);
  EXPECT_FALSE(cache.enabled());
  cache.put("a", session_of(TLS1_2_VERSION));
  EXPECT_EQ(cache.take("a"), nullptr);
}

}  // namespace
}  // namespace weft::detail
