#pragma once

#include "base/atomic.h"

namespace weft::detail {

/// How many runtimes of the process are in debug mode (Options::debug). For what is looked at so
/// often that without any it must cost nothing; written by runtimes as they begin and end, orders
/// nothing.
extern Atomic<int> g_debugged_runtimes;

}  // namespace weft::detail
