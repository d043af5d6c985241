// Follows the links of a site, many pages at a time, by libcurl's easy interface as it is: the
// program is linked with weft_hook, so curl_easy_perform() suspends the task that calls it, and no
// thread.
//
//   22_curl_crawler URL [PAGES_AT_A_TIME]

#include <curl/curl.h>
#include <weft/error.h>
#include <weft/queue.h>
#include <weft/runtime.h>
#include <weft/synchronized.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/timeout.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/number.h"

using namespace std::chrono_literals;

constexpr auto kLimit = 2s;  // for a page

struct Free {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

std::size_t append(const char* part, std::size_t, std::size_t size, std::string* page) {
  page->append(part, size);
  return size;
}

// One task's, which keeps its connections from page to page.
class Browser {
 public:
  Browser() : curl_(curl_easy_init()) {
    if (curl_ == nullptr) throw std::bad_alloc();
    curl_easy_setopt(curl_.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_.get(), CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEFUNCTION, &append);
  }

  std::string get(const std::string& url) {
    std::string page;
    curl_easy_setopt(curl_.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_.get(), CURLOPT_WRITEDATA, &page);
    const CURLcode code = curl_easy_perform(curl_.get());
    weft::yield();  // where a time limit, or a cancellation, that ended the call is thrown
    if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
    return page;
  }

 private:
  const std::unique_ptr<CURL, Free> curl_;
};

// The links to pages of the same site. (Not by std::regex: it goes as deep into the stack as the
// page is long, and a task's stack is small.)
std::vector<std::string> links_of(const std::string& page, const std::string& site) {
  const std::string begin = "href=\"/";
  std::vector<std::string> urls;
  for (std::size_t at = 0; (at = page.find(begin, at)) != std::string::npos;) {
    at += begin.size() - 1;
    urls.push_back(site + page.substr(at, page.find('"', at) - at));
  }
  return urls;
}

struct Crawl {
  explicit Crawl(const std::string& url) : site(url.substr(0, url.find('/', url.find("//") + 2))) {
    add(url);
  }

  void add(const std::string& url) {
    if (seen.with([&](auto& urls) { return urls.insert(url).second; })) pages.put(url);
  }
  void visit(Browser& browser, const std::string& url) {
    std::string what;
    try {
      const std::string page = weft::timeout(kLimit, [&] { return browser.get(url); });
      for (const std::string& link : links_of(page, site)) add(link);
      what = std::to_string(page.size()) + " bytes";
    } catch (const weft::TimeoutError&) {
      what = "took too long";
    } catch (const std::exception& error) {
      what = std::string("failed: ") + error.what();
    }
    results.with([&](auto& lines) { lines.insert(url + ": " + what); });
  }

  const std::string site;
  weft::Queue<std::string> pages;
  weft::Synchronized<std::set<std::string>> seen;
  weft::Synchronized<std::set<std::string>> results;
};

void run(const std::string& url, int at_a_time) {
  Crawl crawl(url);
  weft::task_group([&](weft::TaskGroup& group) {
    for (int i = 0; i < at_a_time; ++i) {
      group.spawn([&] {
        try {
          for (Browser browser;;) {
            crawl.visit(browser, crawl.pages.get());
            crawl.pages.task_done();
          }
        } catch (const weft::QueueShutDown&) {
          // No page is left, and none will come.
        }
      });
    }
    crawl.pages.join();  // until the last page that was found has been visited
    crawl.pages.shutdown();
  });
  for (const std::string& line : crawl.results.copy()) std::printf("%s\n", line.c_str());
}

int main(int argc, char** argv) {
  const auto at_a_time = argc > 2 ? parse_number(argv[2], 1, 1000) : std::optional<int>(8);
  if (argc < 2 || !at_a_time.has_value()) {
    std::fprintf(stderr, "usage: %s URL [PAGES_AT_A_TIME]\n", argv[0]);
    return 2;
  }
  curl_global_init(CURL_GLOBAL_ALL);  // not thread-safe everywhere, so before there are any
  weft::run([&] { run(argv[1], *at_a_time); });
  curl_global_cleanup();
}
