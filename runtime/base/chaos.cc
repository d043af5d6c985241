#include "base/chaos.h"

#if defined(WEFT_CHAOS)

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "base/rng.h"

namespace weft::detail::chaos {

namespace {

constexpr std::uint32_t kYieldOneIn = 32;
constexpr std::uint32_t kSleepOneIn = 64;  // of the yields
constexpr long kLongestSleep = 50'000;     // nanoseconds

std::uint64_t seed() noexcept {
  static const std::uint64_t chosen = [] {
    const char* const given = std::getenv("WEFT_CHAOS_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : 1;
  }();
  return chosen;
}

std::uint64_t stream(std::uint64_t number) noexcept {
  return Rng(seed() ^ Rng(number).next()).next();
}

// A bit for each kind.
std::uint64_t kinds() noexcept {
  static const std::uint64_t chosen = seed() == 1 ? ~std::uint64_t{0} : Rng(seed()).next();
  return chosen;
}

std::uint64_t next_outsider() noexcept {
  static std::atomic<std::uint64_t> outsiders{std::uint64_t{1} << 32};
  return outsiders.fetch_add(1, std::memory_order_relaxed);
}

thread_local Rng t_rng(stream(next_outsider()));

}  // namespace

void begin_worker(unsigned index) noexcept { t_rng = Rng(stream(index)); }

std::uint32_t below(std::uint32_t bound) noexcept { return t_rng.below(bound); }

bool strikes(Kind kind, std::uint32_t one_in) noexcept {
  return ((kinds() >> static_cast<unsigned>(kind)) & 1) != 0 && below(one_in) == 0;
}

void dawdle() noexcept {
  if (!strikes(Kind::kPause, kYieldOneIn)) return;
  const int saved = errno;  // the caller may be between a system call and its look at this
  if (below(kSleepOneIn) == 0) {
    const timespec span{0, static_cast<long>(below(kLongestSleep))};
    // Not by libc, where a hook would suspend the fiber.
    ::syscall(SYS_nanosleep, &span, nullptr);
  } else {
    ::sched_yield();
  }
  errno = saved;
}

}  // namespace weft::detail::chaos

#endif
