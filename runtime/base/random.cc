#include "base/random.h"

#include "base/atomic.h"
#include "base/rng.h"

namespace weft::detail {

namespace {

constinit thread_local bool t_seeded [[gnu::tls_model("initial-exec")]] = false;
constinit thread_local Rng t_rng [[gnu::tls_model("initial-exec")]]{0};

[[gnu::noinline, gnu::cold]] void seed() noexcept {
  static Atomic<std::uint64_t> threads{0};
  t_rng = Rng(threads.fetch_add(std::uint64_t{1} << 40, std::memory_order_relaxed));
  t_seeded = true;
}

}  // namespace

// A call of its own, in which no fiber can move to another thread with the address of this one's.
std::uint32_t random_below(std::uint32_t bound) noexcept {
  if (!t_seeded) [[unlikely]]
    seed();
  return t_rng.below(bound);
}

}  // namespace weft::detail
