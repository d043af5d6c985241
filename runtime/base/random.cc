#include "base/random.h"

#include "base/atomic.h"
#include "base/rng.h"

namespace weft::detail {

// A call of its own, in which no fiber can move to another thread with the address of this one's.
std::uint32_t random_below(std::uint32_t bound) noexcept {
  static Atomic<std::uint64_t> threads{0};
  thread_local Rng rng{threads.fetch_add(std::uint64_t{1} << 40, std::memory_order_relaxed)};
  return rng.below(bound);
}

}  // namespace weft::detail
