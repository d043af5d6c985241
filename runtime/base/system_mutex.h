#pragma once

// A lock that puts threads to sleep, for sections that allocate or enter the kernel. Named through
// here, as atomics are through base/atomic.h, so that a model can take its place.

#include "base/atomic.h"

#if !defined(WEFT_MODEL)

#include <mutex>

namespace weft::detail {

using SystemMutex = std::mutex;

}  // namespace weft::detail

#endif
