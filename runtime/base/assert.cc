#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace weft::detail {

void assert_failed(const char* file, int line, const char* condition, const char* why) noexcept {
  std::fprintf(stderr, "weft: broken invariant at %s:%d: %s (%s)\n", file, line, condition, why);
  std::abort();
}

}  // namespace weft::detail
