#pragma once

#include <getopt.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/number.h"
#include "client.h"
#include "url.h"

namespace web {

struct FetchOptions {
  std::chrono::duration<double> timeout{10};  // for each URL
  std::size_t at_a_time = 32;
  std::string folder;   // where pages are saved, if anywhere
  std::string ca_file;  // the authorities to trust instead of the system's
  ClientOptions client;
  std::vector<Url> urls;
};

inline constexpr const char* kClientUsage =
    "usage: 19_http_client [OPTION]... [http[s]://HOST[:PORT][/PATH]]...\n"
    "  --timeout SECONDS  for each URL, from the look-up of its host to the last byte; default 10\n"
    "  --limit N          URLs at a time; default 32\n"
    "  --per-host N       connections to a host at a time; default 4\n"
    "  --redirects N      followed for each URL; default 5\n"
    "  --body-bytes N     of a page; default 67108864\n"
    "  --ca-file FILE     PEM of the authorities to trust; default the system's\n"
    "  --save FOLDER      keeps the pages there: 0 is that of the first URL, and so on\n"
    "Without a URL it reads them from its standard input, one a line.\n"
    "Ends with 0 if all were fetched (404 counts as fetched), 1 if not, 2 if called wrongly.\n";

// Ends the program with status 2 if it was called wrongly.
inline FetchOptions fetch_options_or_exit(int argc, char** argv) {
  FetchOptions options;
  bool right = true;
  const auto take = [&](auto& value, auto least, auto most) {
    const auto number = parse_number(optarg, least, most);
    right = right && number;
    if (number) value = *number;
  };
  double seconds = options.timeout.count();
  constexpr std::size_t kNone = 0, kOne = 1, kMost = 10'000;
  const option known[] = {{"timeout", 1, nullptr, 't'},    {"limit", 1, nullptr, 'l'},
                          {"per-host", 1, nullptr, 'p'},   {"redirects", 1, nullptr, 'r'},
                          {"body-bytes", 1, nullptr, 'b'}, {"save", 1, nullptr, 's'},
                          {"ca-file", 1, nullptr, 'c'},    {}};
  for (int found = 0; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    // clang-format off
    switch (found) {
      case 't': take(seconds, 0.001, 86'400.0); break;
      case 'l': take(options.at_a_time, kOne, kMost); break;
      case 'p': take(options.client.per_host, kOne, kMost); break;
      case 'r': take(options.client.redirects, kNone, kMost); break;
      case 'b': take(options.client.body_bytes, kNone, std::size_t{1} << 40); break;
      case 's': options.folder = optarg; break;
      case 'c': options.ca_file = optarg; break;
      default: right = false;
    }
    // clang-format on
  }
  options.timeout = std::chrono::duration<double>(seconds);
  try {
    for (int i = optind; i < argc; ++i) options.urls.push_back(parse_url(argv[i]));
    for (std::string line; optind == argc && right && std::getline(std::cin, line);) {
      if (!line.empty()) options.urls.push_back(parse_url(line));
    }
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "19_http_client: %s\n", error.what());
    right = false;
  }
  if (right) return options;
  std::fputs(kClientUsage, stderr);
  std::exit(2);
}

}  // namespace web
