#include "base/debug_mode.h"

namespace weft::detail {

constinit Atomic<int> g_debugged_runtimes{0};

}  // namespace weft::detail
