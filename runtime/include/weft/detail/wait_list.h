#pragma once

#include <atomic>
#include <cstdint>
#if defined(WEFT_ATOMIC_SEAM)  // tests/model's memory in its place, or base/chaos_atomic.h
#include WEFT_ATOMIC_SEAM
#endif

namespace weft::detail {

struct Waiter;

#if defined(WEFT_ATOMIC_SEAM)
using WaitListWord = Atomic<std::uint32_t>;
#else
using WaitListWord = std::atomic<std::uint32_t>;
#endif

/// Those who wait for something, behind a one-bit lock, and the state of that something in the
/// other bits of the same word. The members belong to sync/wait_queue.h.
struct WaitList {
  WaitListWord word{0};
  WaitListWord hint{0};  // what the primitive has learnt of late; never relied on
  Waiter* first = nullptr;
  Waiter* last = nullptr;
};

}  // namespace weft::detail
