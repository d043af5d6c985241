#pragma once

#include <getopt.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "../support/number.h"
#include "exchange.h"

namespace web {

struct ServerOptions {
  std::string host;  // all interfaces
  std::uint16_t port = 8080;
  bool log = false;
  Limits limits;
};

inline constexpr const char* kServerUsage =
    "usage: 18_http_server [OPTION]...\n"
    "  --host HOST        where to listen; default all interfaces\n"
    "  --port N           default 8080; 0 lets the kernel choose\n"
    "  --log              a line for each request refused and each connection broken\n"
    "  --connections N    at a time; more are told 503; default 1000\n"
    "  --head-bytes N     of a request's head; default 8192\n"
    "  --body-bytes N     of its body; default 1048576\n"
    "  --idle SECONDS     between two requests; default 30\n"
    "  --head SECONDS     for a head to come in; default 10\n"
    "  --request SECONDS  for a body to come in and its answer to go out; default 30\n"
    "  --drain SECONDS    for what has begun when the server is told to stop; default 10\n";

// Ends the program with status 2 if it was called wrongly.
inline ServerOptions server_options_or_exit(int argc, char** argv) {
  ServerOptions options;
  Limits& limits = options.limits;
  bool right = true;
  const auto take = [&](auto& value, auto least, auto most) {
    const auto number = parse_number(optarg, least, most);
    right = right && number;
    if (number) value = *number;
  };
  const auto take_seconds = [&](Duration& value) {
    double seconds = 0;
    take(seconds, 0.001, 86'400.0);
    value = Duration(seconds);
  };
  constexpr std::size_t kMost = std::size_t{1} << 40;
  const option known[] = {
      {"host", 1, nullptr, 'H'},
      {"port", 1, nullptr, 'p'},
      {"log", 0, nullptr, 'l'},
      {"connections", 1, nullptr, 'c'},
      {"head-bytes", 1, nullptr, 'h'},
      {"body-bytes", 1, nullptr, 'b'},
      {"idle", 1, nullptr, 'i'},
      {"head", 1, nullptr, 'f'},
      {"request", 1, nullptr, 'r'},
      {"drain", 1, nullptr, 'd'},
      {},
  };
  for (int found = 0; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    // clang-format off
    switch (found) {
      case 'H': options.host = optarg; break;
      case 'p': take(options.port, std::uint16_t{0}, std::uint16_t{65535}); break;
      case 'l': options.log = true; break;
      case 'c': take(limits.connections, std::size_t{1}, std::size_t{1'000'000}); break;
      case 'h': take(limits.head_bytes, std::size_t{64}, std::size_t{1} << 20); break;
      case 'b': take(limits.body_bytes, std::size_t{0}, kMost); break;
      case 'i': take_seconds(limits.idle); break;
      case 'f': take_seconds(limits.head); break;
      case 'r': take_seconds(limits.request); break;
      case 'd': take_seconds(limits.drain); break;
      default: right = false;
    }
    // clang-format on
  }
  if (right && optind == argc) return options;
  std::fputs(kServerUsage, stderr);
  std::exit(2);
}

}  // namespace web
