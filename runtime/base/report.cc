#include "base/report.h"

#include <cstdio>

namespace weft::detail {

void report(const std::string& text) {
  const std::string line = "weft: " + text + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace weft::detail
