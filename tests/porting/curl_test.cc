// libcurl's easy interface in fibers when all is not well: time limits, servers that go or never
// answer, certificates that are not to be trusted.

#include <gtest/gtest.h>
#include <signal.h>
#include <weft/runtime.h>
#include <weft/task_group.h>
#include <weft/to_thread.h>

#include <memory>
#include <string>

#include "curl.h"
#include "limited.h"
#include "nginx_server.h"
#include "silent_server.h"

namespace {

using namespace std::chrono_literals;
using porting::Curl;
using porting::NginxServer;

class CurlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    curl_global_init(CURL_GLOBAL_ALL);
    server_ = NginxServer::start(why_);
  }
  static void TearDownTestSuite() { server_.reset(); }
  void SetUp() override {
    if (server_ == nullptr) porting::lacking(why_);
  }

  static void fetch_well(Curl& curl, const std::string& url, int page) {
    const CURLcode code = curl.fetch(url);
    ASSERT_EQ(code, CURLE_OK) << curl_easy_strerror(code);
    EXPECT_TRUE(curl.body() == server_->page(page));
  }
  static std::string url_of(int port) { return "http://127.0.0.1:" + std::to_string(port) + "/"; }

  static inline std::unique_ptr<NginxServer> server_;
  static inline std::string why_;
};

TEST_F(CurlTest, TransferEndsInTimeAndTheHandleIsUsedAgain) {
  weft::run([] {
    const porting::SilentServer silent;
    const auto descriptors = porting::open_descriptors();
    {
      Curl curl(server_->ca());
      for (int i = 0; i < 3; ++i) {
        porting::expect_timeout([&] {
          const CURLcode code = curl.fetch(url_of(silent.port()));
          EXPECT_NE(code, CURLE_OK);
          if (i == 0) std::printf("after a cancelled poll: %s\n", curl_easy_strerror(code));
        });
        fetch_well(curl, server_->http(7), 7);
        fetch_well(curl, server_->https(8), 8);
      }
    }
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(CurlTest, HandshakeEndsInTime) {
  weft::run([] {
    const porting::SilentServer silent;
    const auto descriptors = porting::open_descriptors();
    porting::expect_timeout([&] {
      Curl curl;
      EXPECT_NE(curl.fetch("https://127.0.0.1:" + std::to_string(silent.port())), CURLE_OK);
    });
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(CurlTest, TaskThatIsCancelledLeavesItsTransfer) {
  weft::run([] {
    const porting::SilentServer silent;
    const auto descriptors = porting::open_descriptors();
    porting::expect_cancelled([&] {
      Curl curl;
      EXPECT_NE(curl.fetch(url_of(silent.port())), CURLE_OK);
    });
    EXPECT_EQ(porting::open_descriptors(), descriptors);
  });
}

TEST_F(CurlTest, ItsOwnLimitHoldsForOneFiberAlone) {
  weft::run([] {
    const porting::SilentServer silent;
    auto hasty = weft::spawn([&] {
      Curl curl;
      curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, 150L);
      EXPECT_EQ(curl.fetch(url_of(silent.port())), CURLE_OPERATION_TIMEDOUT);
    });
    Curl curl;
    while (!hasty.done()) fetch_well(curl, server_->http(9), 9);
    hasty.get();
  });
}

TEST_F(CurlTest, TellsWhatWentWrong) {
  weft::run([] {
    Curl curl(server_->ca());
    EXPECT_EQ(curl.fetch(url_of(porting::free_port())), CURLE_COULDNT_CONNECT);
    EXPECT_EQ(curl.fetch("http://no-such-name.invalid/"), CURLE_COULDNT_RESOLVE_HOST);
    EXPECT_EQ(curl.fetch(server_->untrusted(3)), CURLE_PEER_FAILED_VERIFICATION);
    // The same certificate under a name that it is not for.
    curl_easy_setopt(curl.get(), CURLOPT_RESOLVE, nullptr);
    const std::string here = "other.test:" + std::to_string(server_->https_port()) + ":127.0.0.1";
    curl_slist* const names = curl_slist_append(nullptr, here.c_str());
    curl_easy_setopt(curl.get(), CURLOPT_RESOLVE, names);
    EXPECT_EQ(curl.fetch("https://other.test:" + std::to_string(server_->https_port()) + "/3"),
              CURLE_PEER_FAILED_VERIFICATION);
    curl_slist_free_all(names);
    fetch_well(curl, server_->https(3), 3);
  });
}

// What curl_multi_perform() and curl_multi_poll() do for many transfers in one fiber.
TEST_F(CurlTest, MultiInterfaceWaitsInAFiber) {
  weft::run([] {
    constexpr int kTransfers = 20;
    std::vector<std::unique_ptr<Curl>> curls;
    CURLM* const multi = curl_multi_init();
    for (int i = 0; i < kTransfers; ++i) {
      curls.push_back(std::make_unique<Curl>(server_->ca()));
      curl_easy_setopt(curls.back()->get(), CURLOPT_URL, server_->https(i).c_str());
      curl_multi_add_handle(multi, curls.back()->get());
    }
    for (int running = 1; running > 0;) {
      ASSERT_EQ(curl_multi_perform(multi, &running), CURLM_OK);
      if (running > 0) {
        ASSERT_EQ(curl_multi_poll(multi, nullptr, 0, 1000, nullptr), CURLM_OK);
      }
    }
    for (int i = 0; i < kTransfers; ++i) {
      EXPECT_TRUE(curls[static_cast<std::size_t>(i)]->body() == server_->page(i));
      curl_multi_remove_handle(multi, curls[static_cast<std::size_t>(i)]->get());
    }
    curl_multi_cleanup(multi);
  });
}

// The last, as the server has gone afterwards.
TEST_F(CurlTest, ServerIsKilledBetweenTransfers) {
  weft::run([] {
    Curl curl;
    fetch_well(curl, server_->http(4), 4);
    weft::to_thread([] { server_->process().end(SIGTERM); });
    EXPECT_EQ(curl.fetch(server_->http(4)), CURLE_COULDNT_CONNECT);
  });
}

}  // namespace
