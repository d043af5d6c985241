// 200 fibers that use libcurl's easy interface as threads would, over HTTP and HTTPS.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "beat.h"
#include "curl.h"
#include "nginx_server.h"

namespace {

constexpr int kFibers = 200, kPages = 50;

class CurlLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    porting::go_before_servers();
    curl_global_init(CURL_GLOBAL_ALL);
    std::string why;
    server_ = porting::NginxServer::start(why);
    if (server_ == nullptr) return porting::lacking(why);
    for (int i = 0; i < server_->kPages; ++i) pages_.push_back(server_->page(i));
  }

  void fetch(porting::Curl& curl, const std::string& url, int page) {
    const CURLcode code = curl.fetch(url);
    ASSERT_EQ(code, CURLE_OK) << curl_easy_strerror(code);
    EXPECT_TRUE(curl.body() == pages_[static_cast<std::size_t>(page)]) << url;
    ++fetched_;
  }

  void work(int number) {
    porting::Curl curl(server_->ca());
    for (int i = 0; i < kPages; ++i) {
      const int page = (number + i * 7) % server_->kPages;
      fetch(curl, (number + i) % 5 == 0 ? server_->https(page) : server_->http(page), page);
    }
  }

  std::unique_ptr<porting::NginxServer> server_;
  std::vector<std::string> pages_;
  std::atomic<int> fetched_{0};
};

TEST_F(CurlLoad, LeavesTheBeatAndThePagesInOrder) {
  const auto load = [&](int number) { work(number); };
  porting::show("libcurl, 10,000 pages by 200 threads",
                porting::beat_beside_threads(kFibers, load));
  fetched_ = 0;
  porting::expect_beat("libcurl, 10,000 pages by 200 fibers",
                       [&] { return porting::beat_beside_fibers(kFibers, load); });
  EXPECT_EQ(fetched_ % (kFibers * kPages), 0);
}

}  // namespace
