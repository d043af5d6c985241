// Libraries that look up names in fibers, and a name server that never answers. The network is the
// test's own, and the name server all that is there.

#include <gtest/gtest.h>
#include <netdb.h>
#include <weft/runtime.h>

#include <cerrno>
#include <memory>
#include <string>

#include "beat.h"
#include "curl.h"
#include "limited.h"
#include "postgres.h"
#include "private_network.h"
#include "support/dns_server.h"

namespace {

using namespace std::chrono_literals;

class Names : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    curl_global_init(CURL_GLOBAL_ALL);
    refused_ = porting::enter_private_network();
    if (refused_.empty()) server_ = std::make_unique<support::DnsServer>(53);
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (!refused_.empty())
      GTEST_SKIP() << "no network of one's own is permitted here: " << refused_;
  }

  static int look_up(const std::string& name) {
    addrinfo* found = nullptr;
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    const int result = ::getaddrinfo(name.c_str(), "80", &hints, &found);
    if (result == 0) ::freeaddrinfo(found);
    return result;
  }

  static inline std::string refused_;
  static inline std::unique_ptr<support::DnsServer> server_;
};

TEST_F(Names, OneThatIsKnownIsFound) {
  weft::run([] {
    EXPECT_EQ(look_up("four.test"), 0);
    EXPECT_EQ(look_up("missing.test"), EAI_NONAME);
    EXPECT_EQ(look_up("silent.test"), EAI_AGAIN);
  });
}

TEST_F(Names, LookUpEndsInTime) {
  weft::run([] {
    const auto start = porting::Clock::now();
    int result = 0, error = 0;
    porting::expect_timeout([&] {
      result = look_up("silent.test");
      error = errno;
    });
    EXPECT_EQ(result, EAI_SYSTEM);
    EXPECT_EQ(error, ECANCELED);
    EXPECT_LT(porting::Clock::now() - start, 900ms);  // the name server has a second
  });
}

TEST_F(Names, PostgresConnectionEndsInTime) {
  weft::run([] {
    porting::expect_timeout([] {
      const porting::Connection connection = porting::connect("host=silent.test dbname=none");
      EXPECT_EQ(PQstatus(connection.get()), CONNECTION_BAD);
      const std::string said = PQerrorMessage(connection.get());
      EXPECT_NE(said.find("could not translate host name"), std::string::npos) << said;
    });
  });
}

// curl looks names up in a thread of its own, and waits for that to end before it lets go of a
// transfer, a time limit or not. Nobody else is to wait for it.
TEST_F(Names, CurlGivesUpAndKeepsNobodyWaiting) {
  const auto beat = porting::beat_beside_fibers(3, [](int number) {
    porting::Curl curl;
    if (number == 0) {
      porting::expect_timeout([&] { EXPECT_NE(curl.fetch("http://silent.test/"), CURLE_OK); });
      return;
    }
    curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 150L);
    if (number == 2) curl_easy_setopt(curl.get(), CURLOPT_QUICK_EXIT, 1L);
    const auto start = porting::Clock::now();
    EXPECT_EQ(curl.fetch("http://silent.test/"), CURLE_OPERATION_TIMEDOUT);
    if (number == 2) {  // the thread goes on alone
      EXPECT_LT(porting::Clock::now() - start, 900ms);
    }
  });
  EXPECT_LT(beat.ours.worst, 100);
}

}  // namespace
