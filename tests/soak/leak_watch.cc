#include "soak/leak_watch.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "support/build_kind.h"
#include "support/eventually.h"

#if defined(SUPPORT_TSAN)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(SUPPORT_ASAN)
// What has been freed is kept from use for a while, 256 MiB of it by default; that is no leak.
extern "C" const char* __asan_default_options() { return "quarantine_size_mb=16"; }
#endif

namespace soak {

namespace {

// AddressSanitizer itself remembers every thread and every place of allocation, which levels out
// after some hundred rounds.
constexpr std::size_t kWarmUpRounds = support::kAddressSanitizer ? 300 : 5;
constexpr std::size_t kLeastRounds = 12;  // after the warm-up
// A tenth and this much. A leak of 1 KiB a round is found after about 10,000 rounds, one of a stack
// after a few hundred.
constexpr double kToleratedGrowth = support::kAddressSanitizer ? 2 : 1.1;
constexpr double kToleratedMiB = 4;
constexpr double kToleratedMappings = 16;

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What each open descriptor is.
std::string open_files() {
  std::string text;
  std::error_code ignored;  // one may be closed while we look
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    text += " " + entry.path().filename().string() + "=" +
            std::filesystem::read_symlink(entry.path(), ignored).string();
  }
  return text;
}

}  // namespace

LeakWatch::LeakWatch() {
#if defined(SUPPORT_TSAN)
  // Starts the process that names functions, which the first suppressed report would start later.
  char name[64];
  __sanitizer_symbolize_pc(__builtin_return_address(0), "%f", name, sizeof(name));
#endif
  before_ = support::process_counts();
}

std::vector<std::string> LeakWatch::look() {
  std::vector<std::string> problems;
  support::ProcessCounts now;
  // A thread that has been joined is listed for a moment longer.
  support::eventually(
      [&] {
        now = support::process_counts();
        return now.threads == before_.threads && now.descriptors == before_.descriptors;
      },
      std::chrono::seconds(5));
  if (now.threads != before_.threads) {
    problems.push_back("threads: " + std::to_string(before_.threads) + " before, " +
                       std::to_string(now.threads) + " after");
  }
  if (now.descriptors != before_.descriptors) {
    problems.push_back("descriptors: " + std::to_string(before_.descriptors) + " before, " +
                       std::to_string(now.descriptors) + " after:" + open_files());
  }
  ::malloc_trim(0);
  resident_.push_back(resident_mib());
  mappings_.push_back(static_cast<double>(now.mappings));
  return problems;
}

bool LeakWatch::compare(const std::vector<double>& series, Thirds& thirds) {
  if (series.size() < kWarmUpRounds + kLeastRounds) return false;
  const auto begin = series.begin() + kWarmUpRounds;
  const auto third = (series.end() - begin) / 3;
  thirds.first = median({begin, begin + third});
  thirds.last = median({series.end() - third, series.end()});
  return true;
}

std::vector<std::string> LeakWatch::growth() const {
  std::vector<std::string> problems;
  Thirds thirds;
  // What ThreadSanitizer keeps of its own grows with the threads that there have been.
  if (!support::kThreadSanitizer && compare(resident_, thirds) &&
      thirds.last > thirds.first * kToleratedGrowth + kToleratedMiB) {
    problems.push_back("resident memory grows: " + summary());
  }
  if (!support::kSanitized && compare(mappings_, thirds) &&
      thirds.last > thirds.first + kToleratedMappings) {
    problems.push_back("mappings grow: " + summary());
  }
  return problems;
}

std::string LeakWatch::summary() const {
  Thirds memory, mappings;
  if (!compare(resident_, memory) || !compare(mappings_, mappings)) {
    return "too few rounds to compare memory";
  }
  char text[200];
  std::snprintf(text, sizeof(text),
                "resident memory %.1f MiB, then %.1f; mappings %.0f, then %.0f "
                "(medians of the first and the last third)",
                memory.first, memory.last, mappings.first, mappings.last);
  return text;
}

}  // namespace soak
