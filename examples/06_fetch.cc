// Fetches pages over HTTP, several at a time, each within a time limit. Run it without a URL to see
// it deal with a site of its own where much goes wrong.

#include <weft/error.h>
#include <weft/gather.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/task.h>
#include <weft/tcp.h>
#include <weft/timeout.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "fetch/get.h"
#include "fetch/options.h"
#include "fetch/small_site.h"
#include "http/url.h"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;
using web::Url;

struct Result {
  bool fetched = false;
  std::string what;
  Seconds took{};
};

Result try_to_get(const Url& url, Seconds limit) {
  const auto start = Clock::now();
  Result result;
  try {
    const auto page = weft::timeout(limit, [&] { return fetch::get(url); });
    result.what = std::to_string(page.result_int()) + " " + std::string(page.reason()) + ", " +
                  std::to_string(page.body().size()) + " bytes";
    result.fetched = true;
  } catch (const weft::TimeoutError&) {
    result.what = "failed: no whole answer in time";
  } catch (const std::exception& error) {
    result.what = std::string("failed: ") + error.what();
  }
  result.took = Clock::now() - start;
  return result;
}

// A few tasks share the work: each takes the next URL that nobody has taken yet. They may refer to
// what lives here, since they throw nothing and gather so waits for all of them.
std::vector<Result> get_all(const std::vector<Url>& urls, const fetch::Options& options) {
  std::vector<Result> results(urls.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < urls.size(); i = next++) {
      results[i] = try_to_get(urls[i], options.timeout);
    }
  };
  weft::gather(std::vector(std::min(options.at_a_time, urls.size()), work));
  return results;
}

bool fetch_and_report(const std::vector<Url>& urls, const fetch::Options& options) {
  const auto start = Clock::now();
  const std::vector<Result> results = get_all(urls, options);
  const Seconds took = Clock::now() - start;
  std::size_t fetched = 0;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    const auto& [ok, what, seconds] = results[i];
    std::printf("%s\n  %s, %.3f s\n", urls[i].text.c_str(), what.c_str(), seconds.count());
    fetched += ok ? 1 : 0;
  }
  std::printf("%zu fetched, %zu failed, in %.2f s\n", fetched, urls.size() - fetched, took.count());
  return fetched == urls.size();
}

bool fetch_from_own_site(const fetch::Options& options) {
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  const std::string site = "http://" + listener.local_address().to_string();
  // Nobody waits for the server: at its end, run() cancels the tasks that are left.
  weft::spawn([listener = std::move(listener)]() mutable {
    weft::serve(listener, fetch::answer, {.drain_timeout = 0s});
  });
  std::vector<Url> urls;
  for (const char* page : fetch::kPages) urls.push_back(web::parse_url(site + page));
  fetch_and_report(urls, options);
  return true;  // what fails there is meant to
}

int main(int argc, char** argv) {
  const fetch::Options options = fetch::options_or_exit(argc, argv);
  try {
    const bool all_well = weft::run([&] {
      return options.urls.empty() ? fetch_from_own_site(options)
                                  : fetch_and_report(options.urls, options);
    });
    return all_well ? 0 : 1;
  } catch (const weft::Cancelled&) {  // by Ctrl-C
    std::fputs("interrupted\n", stderr);
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "06_fetch: %s\n", error.what());
    return 1;
  }
}
