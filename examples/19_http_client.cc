// Fetches many pages over few connections: so many at a time, so many connections to each host,
// redirections followed, each page within a time limit, with TLS or without. 06_fetch shows the
// same at its simplest.
//
//   19_http_client [--limit 32] [--timeout 10] [--save FOLDER] [--ca-file FILE] URL...
//   19_http_client < FILE        a URL on each line

#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/task_group.h>
#include <weft/timeout.h>
#include <weft/tls_context.h>
#include <weft/to_thread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>

#include "http/client.h"
#include "http/client_options.h"

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Writing to a disk may block, which would keep a worker from all other tasks. What the thread uses
// it has a copy of, since it goes on even if this task is cancelled.
void save(std::string path, std::string body) {
  weft::to_thread([path = std::move(path), body = std::move(body)] {
    std::ofstream file(path, std::ios::binary);
    file << body;
    file.close();
    if (!file) throw std::runtime_error("cannot write " + path);
  });
}

std::string fetch(web::Client& client, const web::FetchOptions& options, std::size_t number) {
  web::Page page = weft::timeout(options.timeout, [&] { return client.get(options.urls[number]); });
  std::string what = std::to_string(page.answer.result_int()) + " " +
                     std::string(page.answer.reason()) + ", " +
                     std::to_string(page.answer.body().size()) + " bytes";
  if (page.redirects > 0) what += " from " + page.url.text;
  if (!options.folder.empty()) {
    save(options.folder + "/" + std::to_string(number), std::move(page.answer.body()));
  }
  return what;
}

// How many failed. A line for each page tells how it went, as soon as that is known.
std::size_t fetch_all(web::Client& client, const web::FetchOptions& options) {
  std::atomic<std::size_t> next{0}, failed{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < options.urls.size(); i = next++) {
      const auto start = Clock::now();
      std::string what;
      try {
        what = fetch(client, options, i);
      } catch (const weft::TimeoutError&) {
        what = "failed: no whole answer in time";
      } catch (const std::exception& error) {
        what = std::string("failed: ") + error.what();
      }
      if (what.starts_with("failed")) ++failed;
      std::printf("%s: %s, %.3f s\n", options.urls[i].text.c_str(), what.c_str(),
                  Seconds(Clock::now() - start).count());
    }
  };
  weft::task_group([&](weft::TaskGroup& group) {
    const std::size_t at_a_time = std::min(options.at_a_time, options.urls.size());
    for (std::size_t i = 0; i < at_a_time; ++i) group.spawn(work);
  });
  return failed;
}

int main(int argc, char** argv) {
  const web::FetchOptions options = web::fetch_options_or_exit(argc, argv);
  try {
    return weft::run([&] {
      const auto start = Clock::now();
      web::Client client(options.client, weft::TlsContext::client({.ca_file = options.ca_file}));
      const std::size_t failed = fetch_all(client, options);
      std::printf("%zu fetched, %zu failed, over %zu connections, in %.2f s\n",
                  options.urls.size() - failed, failed, client.connections_made(),
                  Seconds(Clock::now() - start).count());
      return failed == 0 ? 0 : 1;
    });
  } catch (const weft::Cancelled&) {  // by Ctrl-C
    std::fputs("interrupted\n", stderr);
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "19_http_client: %s\n", error.what());
    return 1;
  }
}
