#pragma once

// What the kernel says of this process: its threads and what it holds.

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace support {

inline int thread_id() { return static_cast<int>(::syscall(SYS_gettid)); }

/// Whether the thread sleeps in the kernel right now.
inline bool thread_sleeps(int id) {
  std::ifstream file("/proc/self/task/" + std::to_string(id) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && name_end + 2 < line.size() && line[name_end + 2] == 'S';
}

/// How often the thread has gone to sleep so far.
inline long thread_sleeps_so_far(int id) {
  std::ifstream file("/proc/self/task/" + std::to_string(id) + "/status");
  const std::string key = "voluntary_ctxt_switches:";
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) == 0) return std::stol(line.substr(key.size()));
  }
  return -1;
}

inline std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// What a leak would raise.
struct ProcessCounts {
  std::size_t threads = 0;
  std::size_t descriptors = 0;
  std::size_t mappings = 0;
};

// A thread that has been joined may still be listed for a moment. The kernel marks it before that.
inline bool thread_is_ending(const std::filesystem::path& listed) {
  constexpr unsigned long kEnding = 4;  // PF_EXITING in the kernel; see proc(5), stat
  std::ifstream file(listed / "stat");
  std::string line;
  if (!std::getline(file, line)) return true;
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;  // state, parent, group, session, terminal, its group
  for (int i = 0; i < 6; ++i) fields >> skipped;
  unsigned long flags = 0;
  return !(fields >> flags) || (flags & kEnding) != 0;
}

inline ProcessCounts process_counts() {
  ProcessCounts counts;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (!thread_is_ending(thread.path())) ++counts.threads;
  }
  counts.descriptors = static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++counts.mappings;
  return counts;
}

}  // namespace support
