#pragma once

// How many workers the process can keep busy: what its affinity mask and its CPU quota grant, not
// the machine's cores.

#include <filesystem>

namespace weft::detail {

struct CpuBudget {
  unsigned cpus;       ///< At least 1; a part of a CPU counts as one.
  bool quota_limited;  ///< A cgroup grants less time than the affinity mask has CPUs, so spinning
                       ///< eats into it.
};

/// How many CPUs the calling thread may run on.
unsigned affinity_cpus();

/// `affinity` CPUs under the quotas of the calling process's cgroups. /proc and /sys are looked for
/// under `root`. What cannot be read or understood limits nothing: too many workers still run, too
/// few leave CPUs idle.
CpuBudget cpu_budget(unsigned affinity, const std::filesystem::path& root);

/// What the calling thread's mask and the process's quotas grant.
CpuBudget cpu_budget();

unsigned default_worker_count();

}  // namespace weft::detail
