#pragma once

// What the kernel says of this process: its threads and what it holds.

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
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

inline ProcessCounts process_counts() {
  const auto entries = [](const char* directory) {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
  };
  ProcessCounts counts{entries("/proc/self/task"), entries("/proc/self/fd"), 0};
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) ++counts.mappings;
  return counts;
}

}  // namespace support
