// weft's echo server under load: many clients that each send 64 bytes, wait until the same 64 bytes
// have come back, and send the next.
//
// Server and clients are tasks of ONE runtime and share its workers. So the figures are what both
// sides together reach, and a latency includes the client's own wait for a worker.

#include <getopt.h>
#include <sys/resource.h>
#include <weft/error.h>
#include <weft/gather.h>
#include <weft/metrics.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/tcp.h>
#include <weft/timeout.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/number.h"

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Message = std::array<std::byte, 64>;

constexpr rlim_t kOtherDescriptors = 64;
constexpr auto kPatience = 10s;  // for the last answers

struct Options {
  unsigned seconds = 4;
  unsigned connections = 1000;
};

struct Client {
  weft::TcpStream server = {};
  std::uint64_t number = 0;
  std::atomic<std::uint64_t> answered = 0;    // read by the progress line meanwhile
  std::vector<std::uint32_t> latencies = {};  // microseconds
  std::string trouble = {};                   // what became of the request that was lost
};

void echo(weft::TcpStream& stream) {
  std::array<std::byte, 4096> buffer;
  while (const std::size_t got = stream.read_some(buffer)) {
    stream.write_all(std::span(buffer).first(got));
  }
}

// No two alike, so that an answer that went astray is noticed.
Message message_for(const Client& client) {
  const std::uint64_t parts[] = {client.number, client.answered};
  Message message{};
  std::memcpy(message.data(), parts, sizeof parts);
  return message;
}

void ask(Client& client) {
  const Message sent = message_for(client);
  Message received;
  const auto start = Clock::now();
  client.server.write_all(sent);
  client.server.read_exactly(received);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
  if (received != sent) throw std::runtime_error("the answer belongs to another request");
  client.latencies.push_back(static_cast<std::uint32_t>(took.count()));
  ++client.answered;
}

// An error ends this client; the request it was at is the one it has lost.
void ask_until(Clock::time_point end, Client& client) {
  try {
    weft::timeout_at(end + kPatience, [&] {
      while (Clock::now() < end) ask(client);
    });
  } catch (const std::exception& error) {
    client.trouble = error.what();
  }
}

std::uint64_t total_answered(const std::vector<Client>& clients) {
  std::uint64_t total = 0;
  for (const Client& client : clients) total += client.answered;
  return total;
}

void show_progress(const std::vector<Client>& clients, Clock::time_point start, unsigned seconds) {
  std::uint64_t before = 0;
  for (unsigned second = 1; second <= seconds; ++second) {
    weft::sleep_until(start + std::chrono::seconds(second));
    const std::uint64_t now = total_answered(clients);
    std::fprintf(stderr, "  second %u of %u: %" PRIu64 " requests\n", second, seconds,
                 now - before);
    before = now;
  }
}

void connect_all(std::vector<Client>& clients, const weft::SocketAddress& server) {
  std::vector<weft::Task<weft::TcpStream>> connecting;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    connecting.push_back(weft::spawn([server] { return weft::TcpStream::connect(server); }));
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].number = i;
    clients[i].server = std::move(connecting[i]).get();
  }
}

// Returns when every client has its last answer, or has given up.
void put_under_load(std::vector<Client>& clients, unsigned seconds) {
  const auto start = Clock::now();
  const auto end = start + std::chrono::seconds(seconds);
  std::vector<weft::Task<void>> tasks;
  for (Client& client : clients) {
    tasks.push_back(weft::spawn([&client, end] { ask_until(end, client); }));
  }
  tasks.push_back(weft::spawn([&, start] { show_progress(clients, start, seconds); }));
  weft::gather(tasks);
}

// The most memory the process has had at any time.
long peak_memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

double milliseconds_at(std::vector<std::uint32_t>& latencies, double fraction) {
  if (latencies.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(latencies.size() - 1));
  const auto place = latencies.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(latencies.begin(), place, latencies.end());
  return *place / 1000.0;
}

// Returns whether every request was answered.
bool report(const std::vector<Client>& clients, double seconds, const weft::Metrics& metrics) {
  const double peak_mib = static_cast<double>(peak_memory_kib()) / 1024;
  std::vector<std::uint32_t> latencies;
  std::size_t lost = 0;
  for (const Client& client : clients) {
    latencies.insert(latencies.end(), client.latencies.begin(), client.latencies.end());
    if (client.trouble.empty()) continue;
    if (lost++ == 0) std::fprintf(stderr, "lost: %s\n", client.trouble.c_str());
  }
  std::printf("%zu connections for %.1f s, %u workers (%s), server and clients together\n",
              clients.size(), seconds, metrics.workers, metrics.driver);
  std::printf("requests:    %zu, %.0f a second, %zu lost\n", latencies.size(),
              static_cast<double>(latencies.size()) / seconds, lost);
  std::printf("latency:     p50 %.2f ms, p99 %.2f ms\n", milliseconds_at(latencies, 0.5),
              milliseconds_at(latencies, 0.99));
  std::printf("scheduler:   %" PRIu64 " switches, %" PRIu64 " steals, %" PRIu64 " parks\n",
              metrics.switches, metrics.steals, metrics.parks);
  std::printf("peak memory: %.1f MiB\n", peak_mib);
  return lost == 0 && !latencies.empty();
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
  allow_descriptors(2 * rlim_t{options.connections} + kOtherDescriptors);
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  const weft::SocketAddress address = listener.local_address();
  weft::spawn([listener = std::move(listener)]() mutable { weft::serve(listener, echo); });

  std::vector<Client> clients(options.connections);
  connect_all(clients, address);
  std::fprintf(stderr, "%u connections stand; 64 bytes there and back on each of them:\n",
               options.connections);
  const auto start = Clock::now();
  put_under_load(clients, options.seconds);
  const std::chrono::duration<double> took = Clock::now() - start;
  return report(clients, took.count(), weft::metrics());
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
