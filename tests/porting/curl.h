#pragma once

// libcurl's easy interface with owners.

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

namespace porting {

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

class Curl {
 public:
  Curl() : handle_(curl_easy_init()) {
    curl_easy_setopt(get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(get(), CURLOPT_WRITEFUNCTION, &Curl::take);
    curl_easy_setopt(get(), CURLOPT_WRITEDATA, &body_);
  }
  explicit Curl(const std::string& ca) : Curl() {
    curl_easy_setopt(get(), CURLOPT_CAINFO, ca.c_str());
  }

  CURL* get() const { return handle_.get(); }
  CURLcode fetch(const std::string& url) {
    body_.clear();
    curl_easy_setopt(get(), CURLOPT_URL, url.c_str());
    return curl_easy_perform(get());
  }
  const std::string& body() const { return body_; }

 private:
  static std::size_t take(const char* part, std::size_t, std::size_t size, std::string* body) {
    body->append(part, size);
    return size;
  }

  std::string body_;
  const std::unique_ptr<CURL, FreeCurl> handle_;
};

}  // namespace porting
