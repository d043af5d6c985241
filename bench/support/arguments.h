#pragma once

#include <cstdint>
#include <cstdlib>

#include "check.h"

namespace bench {

// The program's one argument, a size of its work that is greater than 0.
inline std::int64_t count_from(int argc, char** argv, std::int64_t otherwise) {
  if (argc < 2) return otherwise;
  char* end = nullptr;
  const long long count = std::strtoll(argv[1], &end, 10);
  check(end != argv[1] && *end == '\0' && count > 0, "the argument is a number greater than 0");
  return count;
}

}  // namespace bench
