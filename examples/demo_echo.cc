// weft's echo server under load: many clients that each send 64 bytes, wait until the same 64 bytes
// have come back, and send the next.
//
// Server and clients are tasks of ONE runtime and share its workers. So the figures are what both
// sides together reach, and a latency includes the client's own wait for a worker.

#include <getopt.h>
#include <sys/resource.h>
#include <weft/error.h>
#include <weft/metrics.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/task.h>
#include <weft/tcp.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "echo_load/clients.h"
#include "echo_load/report.h"
#include "support/number.h"

struct Options {
  unsigned seconds = 4;
  unsigned connections = 1000;
};

void echo(weft::TcpStream& stream) {
  std::array<std::byte, 4096> buffer;
  while (const std::size_t got = stream.read_some(buffer)) {
    stream.write_all(std::span(buffer).first(got));
  }
}

// Each connection has two ends in this program, and each end is a descriptor.
void allow_descriptors(rlim_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  if (wanted > limit.rlim_max || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    throw std::runtime_error("this needs " + std::to_string(wanted) +
                             " open files, and the limit is " + std::to_string(limit.rlim_max) +
                             " (ulimit -n)");
  }
}

bool run_demo(const Options& options) {
  allow_descriptors(2 * rlim_t{options.connections} + 64);
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  const weft::SocketAddress address = listener.local_address();
  weft::spawn([listener = std::move(listener)]() mutable { weft::serve(listener, echo); });

  std::vector<echo_load::Client> clients(options.connections);
  echo_load::connect_all(clients, address);
  std::fprintf(stderr, "%u connections stand; 64 bytes there and back on each of them:\n",
               options.connections);
  const auto start = std::chrono::steady_clock::now();
  echo_load::put_under_load(clients, options.seconds);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return echo_load::report(clients, took.count(), weft::metrics());
}

std::optional<Options> parse_options(int argc, char** argv) {
  const option known[] = {{"seconds", required_argument, nullptr, 's'},
                          {"connections", required_argument, nullptr, 'c'},
                          {}};
  Options options;
  for (int found = 0; (found = getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    if (found == '?') return std::nullopt;
    const auto number = parse_number(optarg, 1u, found == 's' ? 3600u : 20'000u);
    if (!number) return std::nullopt;
    (found == 's' ? options.seconds : options.connections) = *number;
  }
  if (optind < argc) return std::nullopt;
  return options;
}

int main(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "usage: %s [--seconds 1..3600] [--connections 1..20000]\n", argv[0]);
    return 2;
  }
  try {
    return weft::run([&] { return run_demo(*options); }) ? 0 : 1;
  } catch (const weft::Cancelled&) {  // by Ctrl-C
    std::fputs("interrupted\n", stderr);
    return 130;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
