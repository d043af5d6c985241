// The load generator of the echo and stall workloads, the same for every server, over raw epoll. A
// connection has one outstanding request. In the closed loop the next one follows at once; in the
// open loop requests are due at a fixed rate, and their latency counts from then, so that what had
// to wait behind a slow answer is not left out. Every request's content differs from all others',
// and every byte that comes back is compared.

#include "load_client.h"

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <barrier>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <thread>
#include <vector>

#include "idle_connections.h"
#include "load_options.h"

namespace {

using namespace bench;

double us(const Histogram& ns, double quantile) {
  return static_cast<double>(ns.quantile(quantile)) / 1e3;
}

struct Summary {
  std::uint64_t requests = 0;  // answered in the window
  std::uint64_t lost = 0;
  std::uint64_t broken = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t unburnt = 0;
  std::uint64_t slowest = 0;  // requests of the connection that was served least
  std::uint64_t fastest = 0;
  double seconds = 0;
  double server_cpu_us = 0;  // a request; 0 if not measured
  double idle_bytes = 0;     // resident in the server for each idle connection
  double idle_table_bytes = 0;
  Histogram latency_ns;
  Histogram burn_latency_ns;
  Histogram late_ns;

  double longest_us() const { return static_cast<double>(latency_ns.largest()) / 1e3; }
  double rate() const { return seconds > 0 ? static_cast<double>(requests) / seconds : 0; }
  double fairness() const {
    return fastest > 0 ? static_cast<double>(slowest) / static_cast<double>(fastest) : 0;
  }
  bool whole() const {
    return requests > 0 && lost == 0 && broken == 0 && corrupted == 0 && unburnt == 0;
  }
};

[[noreturn]] void refuse(const char* what, const char* why) {
  std::fprintf(stderr, "echo-load: %s: %s\n", what, why);
  std::exit(2);
}

LoadPlan plan_of(const LoadOptions& options) {
  LoadPlan plan;
  plan.server.sin_family = AF_INET;
  plan.server.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.host.c_str(), &plan.server.sin_addr) != 1 ||
      ntohl(plan.server.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) {
    refuse("--host", "only addresses of the loopback range, 127.0.0.0/8, are allowed");
  }
  plan.size = options.size;
  plan.warmup_ns = static_cast<std::int64_t>(options.warmup_s * 1e9);
  plan.window_ns = static_cast<std::int64_t>(options.duration_s * 1e9);
  if (options.rate > 0) plan.period_ns = static_cast<std::int64_t>(1e9 / options.rate);
  if (options.burns > 0) plan.burn_period_ns = static_cast<std::int64_t>(1e9 / options.burns);
  return plan;
}

void raise_open_file_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);  // if it fails, opening the sockets says so
}

std::vector<LoadResult> run_clients(const LoadOptions& options, const LoadPlan& plan,
                                    std::optional<clockid_t> server_cpu) {
  std::vector<LoadResult> results(static_cast<std::size_t>(options.threads));
  std::barrier<> all_connected(options.threads);
  std::vector<std::thread> threads;
  std::uint64_t first_id = 0;
  for (int i = 0; i < options.threads; ++i) {
    const int share =
        options.connections / options.threads + (i < options.connections % options.threads ? 1 : 0);
    threads.emplace_back([&, i, share, first_id] {
      const bool measures_cpu = i == 0 && server_cpu.has_value();
      LoadClient client(plan, first_id, share, measures_cpu, server_cpu.value_or(0));
      results[static_cast<std::size_t>(i)] = client.run(all_connected);
    });
    first_id += static_cast<std::uint64_t>(share);
  }
  for (std::thread& thread : threads) thread.join();
  return results;
}

Summary summarise(const std::vector<LoadResult>& results) {
  Summary sum;
  sum.slowest = UINT64_MAX;
  for (const LoadResult& result : results) {
    sum.latency_ns.merge(result.latency_ns);
    sum.burn_latency_ns.merge(result.burn_latency_ns);
    sum.late_ns.merge(result.late_ns);
    sum.lost += result.lost;
    sum.broken += result.broken;
    sum.corrupted += result.corrupted;
    sum.unburnt += result.unburnt;
    for (std::uint64_t answered : result.requests_by_connection) {
      sum.requests += answered;
      sum.slowest = std::min(sum.slowest, answered);
      sum.fastest = std::max(sum.fastest, answered);
    }
  }
  sum.seconds = static_cast<double>(results.front().window_ns) / 1e9;
  if (sum.requests > 0) {
    sum.server_cpu_us = static_cast<double>(results.front().server_cpu_ns) / 1e3 /
                        static_cast<double>(sum.requests);
  }
  return sum;
}

void print_json(const LoadOptions& options, const Summary& sum) {
  std::printf("{\"connections\": %d, \"threads\": %d, \"size\": %zu, \"seconds\": %.3f,\n",
              options.connections, options.threads, options.size, sum.seconds);
  std::printf(" \"requests\": %" PRIu64 ", \"requests_per_s\": %.1f,\n", sum.requests, sum.rate());
  std::printf(" \"p50_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f,\n",
              us(sum.latency_ns, 0.5), us(sum.latency_ns, 0.99), us(sum.latency_ns, 0.999),
              sum.longest_us());
  std::printf(" \"rate\": %g, \"late_p99_us\": %.2f, \"late_p999_us\": %.2f,\n", options.rate,
              us(sum.late_ns, 0.99), us(sum.late_ns, 0.999));
  if (options.burns > 0) {
    std::printf(" \"burns\": %" PRIu64 ", \"burn_p50_us\": %.2f, \"unburnt\": %" PRIu64 ",\n",
                sum.burn_latency_ns.total(), us(sum.burn_latency_ns, 0.5), sum.unburnt);
  }
  std::printf(" \"slowest_connection\": %" PRIu64 ", \"fastest_connection\": %" PRIu64
              ", \"fairness\": %.4f,\n",
              sum.slowest, sum.fastest, sum.fairness());
  if (options.server != 0) std::printf(" \"server_cpu_us\": %.4f,\n", sum.server_cpu_us);
  if (options.idle > 0) {
    std::printf(" \"idle\": %d, \"idle_bytes\": %.1f, \"idle_table_bytes\": %.1f,\n", options.idle,
                sum.idle_bytes, sum.idle_table_bytes);
  }
  std::printf(" \"lost\": %" PRIu64 ", \"broken\": %" PRIu64 ", \"corrupted\": %" PRIu64 "}\n",
              sum.lost, sum.broken, sum.corrupted);
}

void print_text(const LoadOptions& options, const Summary& sum) {
  std::printf("%.0f requests/s: %" PRIu64 " of %zu bytes in %.2f s over %d connections\n",
              sum.rate(), sum.requests, options.size, sum.seconds, options.connections);
  std::printf("latency us: p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n", us(sum.latency_ns, 0.5),
              us(sum.latency_ns, 0.99), us(sum.latency_ns, 0.999), sum.longest_us());
  if (options.rate > 0) {
    std::printf(
        "open loop: %g requests/s due on each connection, sent late by p99 %.1f, p99.9 %.1f\n",
        options.rate, us(sum.late_ns, 0.99), us(sum.late_ns, 0.999));
  }
  if (options.burns > 0) {
    std::printf("besides, %" PRIu64 " requests that burn: p50 %.1f us, %" PRIu64 " did not burn\n",
                sum.burn_latency_ns.total(), us(sum.burn_latency_ns, 0.5), sum.unburnt);
  }
  std::printf("requests a connection: slowest %" PRIu64 ", fastest %" PRIu64 "\n", sum.slowest,
              sum.fastest);
  if (options.server != 0) std::printf("server CPU: %.3f us a request\n", sum.server_cpu_us);
  if (options.idle > 0) {
    std::printf("%d idle connections: %.0f bytes resident each, %.0f of page tables\n",
                options.idle, sum.idle_bytes, sum.idle_table_bytes);
  }
  std::printf("lost %" PRIu64 ", broken %" PRIu64 ", corrupted %" PRIu64 "\n", sum.lost, sum.broken,
              sum.corrupted);
}

}  // namespace

int main(int argc, char** argv) {
  const LoadOptions options = parse_load_options(argc, argv);
  const LoadPlan plan = plan_of(options);
  std::optional<clockid_t> server_cpu;
  if (options.server != 0) {
    const int error = clock_getcpuclockid(options.server, &server_cpu.emplace());
    if (error != 0) refuse("--server-pid", std::strerror(error));
  }
  raise_open_file_limit();
  prctl(PR_SET_TIMERSLACK, 1);  // or the kernel would be up to 50 us late for an arrival
  std::optional<IdleConnections> idle;
  if (options.idle > 0) idle.emplace(plan.server, plan.size, options.idle, options.server);
  Summary sum = summarise(run_clients(options, plan, server_cpu));
  if (idle.has_value()) {
    sum.idle_bytes = idle->resident_bytes_each();
    sum.idle_table_bytes = idle->page_table_bytes_each();
  }
  if (options.json) {
    print_json(options, sum);
  } else {
    print_text(options, sum);
  }
  if (!sum.whole()) {
    std::fprintf(stderr,
                 "echo-load: failed: %" PRIu64 " answers, %" PRIu64 " requests lost, %" PRIu64
                 " connections broken, %" PRIu64 " answers corrupted, %" PRIu64 " not burnt for\n",
                 sum.requests, sum.lost, sum.broken, sum.corrupted, sum.unburnt);
  }
  return sum.whole() ? 0 : 1;
}
