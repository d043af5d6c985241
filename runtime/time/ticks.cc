#include "time/ticks.h"

#include <algorithm>

#include "base/atomic.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace weft::detail {

namespace ticks_detail {
constinit bool g_even = false;
}

namespace {

// Two reads are some nanoseconds apart.
constexpr double kSlack = 500;
constexpr double kShare = 0.999;
// Between readings from which the rate is learned.
constexpr Nanos kLongEnough = 10'000'000;

// Nanoseconds a tick, zero until it is known. Publishes nothing.
constinit Atomic<double> g_rate{0};

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

double difference(Ticks later, Ticks earlier) noexcept {
  return static_cast<double>(static_cast<std::int64_t>(later - earlier));
}

// If the counter was set back since, or nothing has passed, there is none.
double rate_since_first(const Reading& reading) noexcept {
  const Reading& first = first_reading();
  const double counted = difference(reading.ticks, first.ticks);
  return counted > 0 ? static_cast<double>(reading.time - first.time) / counted : 0;
}

// The clock before the counter, which makes the rate a smaller one if the thread is stopped in
// between; of several the one that took least.
Reading read_together() noexcept {
  Reading best{};
  Ticks least = ~Ticks{0};
  for (int attempt = 0; attempt < 5; ++attempt) {
    const Ticks begun = ticks();
    const Nanos time = now();
    const Ticks ended = ticks();
    if (ended - begun < least) {
      least = ended - begun;
      best = {ended, time};
    }
  }
  return best;
}

}  // namespace

void begin_ticks() noexcept { first_reading(); }

void learn_ticks() noexcept {
  if (g_rate.load(std::memory_order_relaxed) > 0) return;
  if (now() - first_reading().time < kLongEnough) return;
  g_rate.store(rate_since_first(read_together()), std::memory_order_relaxed);
}

Nanos time_of(Ticks then, const Reading& reading) noexcept {
  const double known = g_rate.load(std::memory_order_relaxed);
  const double rate = known > 0 ? known : rate_since_first(reading);
  const double ago = difference(reading.ticks, then) * rate * kShare - kSlack;
  const auto most = static_cast<double>(reading.time);
  return reading.time - static_cast<Nanos>(std::clamp(ago, 0.0, most));
}

}  // namespace weft::detail
