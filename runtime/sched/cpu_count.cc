#include "sched/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace weft::detail {
namespace {

namespace fs = std::filesystem;

constexpr double kNoQuota = std::numeric_limits<double>::infinity();
constexpr double kDefaultPeriod = 100'000;

// The two generations of control groups, either of which may hold the quota, and on a hybrid system
// do.
enum class Version { kV1, kV2 };

// Where a hierarchy of control groups is mounted, and which of its groups is at the mount's top.
struct Mount {
  std::string group;
  fs::path point;
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool lists(std::string_view names, std::string_view name) {
  const std::vector<std::string> parts = split(names, ',');
  return std::find(parts.begin(), parts.end(), name) != parts.end();
}

// mountinfo writes a blank in a path as \040.
std::string unescape(std::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view code = text.substr(i, 4);
    if (code.size() == 4 && code[0] == '\\' &&
        std::all_of(code.begin() + 1, code.end(), is_octal)) {
      result += static_cast<char>((code[1] - '0') * 64 + (code[2] - '0') * 8 + (code[3] - '0'));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

// The process's group; lines read "4:cpu,cpuacct:/group", or "0::/group" in version 2.
std::optional<std::string> own_group(const fs::path& root, Version version) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t names = line.find(':') + 1;
    const std::size_t group = line.find(':', names) + 1;
    if (names == 0 || group == 0) continue;
    const std::string_view controllers = std::string_view(line).substr(names, group - names - 1);
    const bool found = version == Version::kV2 ? controllers.empty() : lists(controllers, "cpu");
    if (found) return line.substr(group);
  }
  return std::nullopt;
}

// Lines read "31 23 0:28 /group /mount/point rw [tags...] - type source options".
std::optional<Mount> find_mount(const fs::path& root, Version version) {
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> place = split(std::string_view(line).substr(0, dash), ' ');
    const std::vector<std::string> kind = split(std::string_view(line).substr(dash + 3), ' ');
    if (place.size() < 5 || kind.size() < 3) continue;
    const bool found = version == Version::kV2 ? kind[0] == "cgroup2"
                                               : kind[0] == "cgroup" && lists(kind[2], "cpu");
    if (found) return Mount{unescape(place[3]), unescape(place[4])};
  }
  return std::nullopt;
}

// Below the mount's top, the way to `group`. A group outside what is mounted (in a container that
// sees the host's names) gives nothing to walk: the top is the nearest there is.
fs::path way_down(const Mount& mount, const std::string& group) {
  const fs::path way = fs::path(group).lexically_relative(mount.group);
  const bool outside = way.empty() || *way.begin() == "..";
  return outside ? fs::path(".") : way;
}

// In CPUs. "max 100000" is what version 2 says for none, "-1" version 1.
double quota_of(const fs::path& directory, Version version) {
  double quota = 0;
  double period = kDefaultPeriod;
  if (version == Version::kV2) {
    std::ifstream(directory / "cpu.max") >> quota >> period;
  } else {
    std::ifstream(directory / "cpu.cfs_quota_us") >> quota;
    std::ifstream(directory / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : kNoQuota;
}

// The least of the group's own quota and its ancestors'.
double least_quota(const fs::path& root, Version version) {
  const std::optional<std::string> group = own_group(root, version);
  const std::optional<Mount> mount = find_mount(root, version);
  if (!group || !mount) return kNoQuota;
  fs::path directory = root / mount->point.relative_path();
  double least = quota_of(directory, version);
  for (const fs::path& name : way_down(*mount, *group)) {
    directory /= name;
    least = std::min(least, quota_of(directory, version));
  }
  return least;
}

}  // namespace

unsigned affinity_cpus() {
  constexpr std::size_t kMostSets = 1024;  // A million CPUs.
  for (std::size_t count = 1; count <= kMostSets; count *= 2) {
    std::vector<cpu_set_t> mask(count);
    const std::size_t bytes = count * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, mask.data()) == 0) {
      return static_cast<unsigned>(std::max(1, CPU_COUNT_S(bytes, mask.data())));
    }
    if (errno != EINVAL) break;  // EINVAL: the kernel's mask is longer.
  }
  return std::max(1u, std::thread::hardware_concurrency());  // A sandbox forbids the question.
}

CpuBudget cpu_budget(unsigned affinity, const fs::path& root) {
  const double quota = std::min(least_quota(root, Version::kV1), least_quota(root, Version::kV2));
  if (!(quota < affinity)) return {std::max(1u, affinity), false};
  return {std::max(1u, static_cast<unsigned>(std::ceil(quota))), true};
}

CpuBudget cpu_budget() { return cpu_budget(affinity_cpus(), "/"); }

unsigned default_worker_count() { return cpu_budget().cpus; }

}  // namespace weft::detail
