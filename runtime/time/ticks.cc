#include "time/ticks.h"

#include <algorithm>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace weft::detail {

namespace ticks_detail {
constinit bool g_even = false;
}

namespace {

// The two reads are some nanoseconds apart, more if the thread was interrupted in between.
constexpr double kSlack = 500;
constexpr double kShare = 0.999;

// Intel's manual, volume 3, "Invariant TSC"; AMD's has the same bit.
bool counts_evenly() noexcept {
#if defined(__x86_64__)
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kInvariant = 1U << 8;
  return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) != 0 && (edx & kInvariant) != 0;
#elif defined(__aarch64__)
  return true;
#else
  return false;
#endif
}

const Reading& first_reading() noexcept {
  static const Reading first = [] {
    ticks_detail::g_even = counts_evenly();
    return read_both();
  }();
  return first;
}

}  // namespace

void begin_ticks() noexcept { first_reading(); }
bool has_even_ticks() noexcept {
  begin_ticks();
  return ticks_detail::g_even;
}

Nanos time_of(Ticks then, const Reading& reading) noexcept {
  const Reading& first = first_reading();
  const auto counted = static_cast<double>(static_cast<std::int64_t>(reading.ticks - first.ticks));
  const auto since = static_cast<double>(static_cast<std::int64_t>(reading.ticks - then));
  if (counted <= 0 || since <= 0) return reading.time;
  const auto passed = static_cast<double>(reading.time - first.time);
  const double ago = passed * std::min(since / counted, 1.0) * kShare - kSlack;
  return reading.time - static_cast<Nanos>(std::max(ago, 0.0));
}

}  // namespace weft::detail
