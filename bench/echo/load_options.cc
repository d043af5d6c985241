#include "load_options.h"

#include <getopt.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace bench {
namespace {

constexpr char kUsage[] =
    "usage: echo-load --port PORT [--host 127.0.0.1] [--connections N] [--idle N]\n"
    "                 [--threads N] [--duration SECONDS] [--warmup SECONDS] [--size BYTES]\n"
    "                 [--rate PER-SECOND-AND-CONNECTION] [--burns PER-SECOND-AND-CONNECTION]\n"
    "                 [--server-pid PID] [--json]\n";

enum Name {
  kHost,
  kPort,
  kConnections,
  kIdle,
  kThreads,
  kDuration,
  kWarmup,
  kSize,
  kRate,
  kBurns,
  kServer,
  kJson
};
constexpr option kNames[] = {{"host", required_argument, nullptr, kHost},
                             {"port", required_argument, nullptr, kPort},
                             {"connections", required_argument, nullptr, kConnections},
                             {"idle", required_argument, nullptr, kIdle},
                             {"threads", required_argument, nullptr, kThreads},
                             {"duration", required_argument, nullptr, kDuration},
                             {"warmup", required_argument, nullptr, kWarmup},
                             {"size", required_argument, nullptr, kSize},
                             {"rate", required_argument, nullptr, kRate},
                             {"burns", required_argument, nullptr, kBurns},
                             {"server-pid", required_argument, nullptr, kServer},
                             {"json", no_argument, nullptr, kJson},
                             {nullptr, 0, nullptr, 0}};

[[noreturn]] void refuse(const char* name, const char* given, double lowest, double highest) {
  std::fprintf(stderr, "echo-load: --%s is \"%s\", it must be a number from %g to %g\n%s", name,
               given, lowest, highest, kUsage);
  std::exit(2);
}

double number(const char* name, double lowest, double highest) {
  char* end = nullptr;
  const double value = std::strtod(optarg, &end);
  const bool inside = end != optarg && *end == '\0' && value >= lowest && value <= highest;
  if (!inside) refuse(name, optarg, lowest, highest);
  return value;
}

int whole(const char* name, int lowest, int highest) {
  const double value = number(name, lowest, highest);
  if (value != std::floor(value)) refuse(name, optarg, lowest, highest);
  return static_cast<int>(value);
}

}  // namespace

LoadOptions parse_load_options(int argc, char** argv) {
  LoadOptions options;
  for (int name; (name = getopt_long(argc, argv, "", kNames, nullptr)) != -1;) {
    switch (name) {
      case kHost:
        options.host = optarg;
        break;
      case kPort:
        options.port = static_cast<std::uint16_t>(whole("port", 1, 65535));
        break;
      case kConnections:
        options.connections = whole("connections", 1, 1'000'000);
        break;
      case kIdle:
        options.idle = whole("idle", 0, 1'000'000);
        break;
      case kThreads:
        options.threads = whole("threads", 1, 256);
        break;
      case kDuration:
        options.duration_s = number("duration", 0.01, 3'600);
        break;
      case kWarmup:
        options.warmup_s = number("warmup", 0, 3'600);
        break;
      case kSize:
        options.size = static_cast<std::size_t>(whole("size", 1, 1 << 24));
        break;
      case kRate:
        options.rate = number("rate", 0, 1e6);
        break;
      case kBurns:
        options.burns = number("burns", 0, 1e3);
        break;
      case kServer:
        options.server = whole("server-pid", 1, 1 << 30);
        break;
      case kJson:
        options.json = true;
        break;
      default:
        std::fputs(kUsage, stderr);
        std::exit(2);
    }
  }
  if (options.idle > 0 && options.server == 0) {
    std::fputs("echo-load: --idle needs --server-pid, whose memory it measures\n", stderr);
    std::exit(2);
  }
  if (options.port == 0 || optind < argc || options.threads > options.connections) {
    if (options.threads > options.connections) {
      std::fputs("echo-load: more threads than connections\n", stderr);
    }
    std::fputs(kUsage, stderr);
    std::exit(2);
  }
  return options;
}

}  // namespace bench
