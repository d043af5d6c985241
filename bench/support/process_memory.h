#pragma once

#include <cstdint>
#include <fstream>
#include <string>

#include "check.h"

namespace bench {

// Bytes of physical memory this process holds: its resident pages and the page tables that map
// them. A sparse mapping can cost nearly as much in tables as in pages, so both count.
inline std::int64_t resident_and_page_table_bytes() {
  std::ifstream status("/proc/self/status");
  std::int64_t kib = 0;
  int found = 0;
  for (std::string key; status >> key;) {
    std::string rest;
    std::getline(status, rest);
    if (key != "VmRSS:" && key != "VmPTE:") continue;
    kib += std::stoll(rest);
    ++found;
  }
  check(found == 2, "/proc/self/status names VmRSS and VmPTE");
  return kib * 1024;
}

}  // namespace bench
