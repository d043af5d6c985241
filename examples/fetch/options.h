#pragma once

#include <getopt.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../http/url.h"
#include "../support/number.h"

namespace fetch {

struct Options {
  std::chrono::duration<double> timeout{10};  // for each URL
  std::size_t at_a_time = 8;
  std::vector<web::Url> urls;
};

inline constexpr const char* kUsage =
    "usage: 06_fetch [--timeout SECONDS] [--limit N] [http://HOST[:PORT][/PATH]]...\n"
    "  --timeout  for each URL, from the look-up of its host to the last byte; default 10\n"
    "  --limit    URLs at a time; default 8\n"
    "Without a URL it fetches from a site of its own, by default within 1 s each.\n"
    "Ends with 0 if all were fetched (404 counts as fetched), 1 if not, 2 if called wrongly.\n";

template <class Number>
Number number_for(const char* option, const char* text, Number least, Number most) {
  if (const auto number = parse_number(text, least, most)) return *number;
  throw std::invalid_argument(std::string(option) + " cannot be \"" + text + "\"");
}

// Throws std::invalid_argument that says what is wrong.
inline Options parse_options(int argc, char** argv) {
  const option known[] = {{"timeout", required_argument, nullptr, 't'},
                          {"limit", required_argument, nullptr, 'l'},
                          {"help", no_argument, nullptr, 'h'},
                          {}};
  Options options;
  std::optional<double> timeout;
  opterr = 0;  // so that getopt leaves the message to us
  for (int found = 0; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    if (found == 't') {
      timeout = number_for("--timeout", optarg, 0.001, 86'400.0);
    } else if (found == 'l') {
      options.at_a_time = number_for("--limit", optarg, std::size_t{1}, std::size_t{10'000});
    } else if (found == 'h') {
      std::fputs(kUsage, stdout);
      std::exit(0);
    } else {
      throw std::invalid_argument("no option, or no value for it: " +
                                  std::string(argv[optind - 1]));
    }
  }
  for (int i = optind; i < argc; ++i) {
    options.urls.push_back(web::parse_url(argv[i]));
    if (options.urls.back().secure) web::refuse(argv[i], "this program knows no TLS");
  }
  if (timeout || options.urls.empty()) {
    options.timeout = std::chrono::duration<double>(timeout.value_or(1));
  }
  return options;
}

// Ends the program with status 2 if it was called wrongly.
inline Options options_or_exit(int argc, char** argv) {
  try {
    return parse_options(argc, argv);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "06_fetch: %s\n%s", error.what(), kUsage);
    std::exit(2);
  }
}

}  // namespace fetch
