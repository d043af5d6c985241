#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>

#include "check.h"

namespace bench {

namespace detail {

inline std::int64_t kib_of(std::initializer_list<std::string_view> keys, pid_t process = 0) {
  const std::string name = process != 0 ? std::to_string(process) : "self";
  std::ifstream status("/proc/" + name + "/status");
  std::int64_t kib = 0;
  std::size_t found = 0;
  for (std::string key; status >> key;) {
    std::string rest;
    std::getline(status, rest);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
    kib += std::stoll(rest);
    ++found;
  }
  check(found == keys.size(), "/proc/PID/status names the kinds of memory");
  return kib;
}

}  // namespace detail

// Bytes of physical memory this process holds: its resident pages and the page tables that map
// them. A sparse mapping can cost nearly as much in tables as in pages, so both count.
inline std::int64_t resident_and_page_table_bytes() {
  return detail::kib_of({"VmRSS:", "VmPTE:"}) * 1024;
}

// The two apart, of another process.
inline std::int64_t resident_bytes(pid_t process) {
  return detail::kib_of({"VmRSS:"}, process) * 1024;
}
inline std::int64_t page_table_bytes(pid_t process) {
  return detail::kib_of({"VmPTE:"}, process) * 1024;
}

// The most that has been resident at once so far, in units of 1,000,000 bytes.
inline double peak_resident_mb() {
  return static_cast<double>(detail::kib_of({"VmHWM:"})) * 1024 / 1e6;
}

}  // namespace bench
