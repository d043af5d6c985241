#pragma once

#include <weft/metrics.h>

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "clients.h"

namespace echo_load {

// The most memory the process has had at any time.
inline long peak_memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

inline double milliseconds_at(std::vector<std::uint32_t>& latencies, double fraction) {
  if (latencies.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(latencies.size() - 1));
  const auto place = latencies.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(latencies.begin(), place, latencies.end());
  return *place / 1000.0;
}

// Returns whether every request was answered.
inline bool report(const std::vector<Client>& clients, double seconds,
                   const weft::Metrics& metrics) {
  const double peak_mib = static_cast<double>(peak_memory_kib()) / 1024;
  std::vector<std::uint32_t> latencies;
  std::size_t lost = 0;
  for (const Client& client : clients) {
    latencies.insert(latencies.end(), client.latencies.begin(), client.latencies.end());
    if (client.trouble.empty()) continue;
    if (lost++ == 0) std::fprintf(stderr, "lost: %s\n", client.trouble.c_str());
  }
  std::printf("%zu connections for %.1f s, %u worker%s (%s), server and clients together\n",
              clients.size(), seconds, metrics.workers, metrics.workers == 1 ? "" : "s",
              metrics.driver);
  std::printf("requests:    %zu, %.0f a second, %zu lost\n", latencies.size(),
              static_cast<double>(latencies.size()) / seconds, lost);
  std::printf("latency:     p50 %.2f ms, p99 %.2f ms\n", milliseconds_at(latencies, 0.5),
              milliseconds_at(latencies, 0.99));
  std::printf("scheduler:   %" PRIu64 " switches, %" PRIu64 " steals, %" PRIu64 " parks\n",
              metrics.switches, metrics.steals, metrics.parks);
  std::printf("peak memory: %.1f MiB\n", peak_mib);
  return lost == 0 && !latencies.empty();
}

}  // namespace echo_load
