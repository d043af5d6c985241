// Goal: the clock is steady_clock's, and no conversion wraps around or rounds a wait shorter.
// Method: values on both sides of every limit, most of them checked by the compiler.

#include "time/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;
using std::chrono::duration;
using std::chrono::steady_clock;

constexpr Nanos kLeast = std::numeric_limits<Nanos>::min();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Clock, IsSteadyClock) {
  const Nanos before = now();
  const Nanos between = to_deadline(steady_clock::now());
  const Nanos after = now();
  EXPECT_LE(before, between);
  EXPECT_LE(between, after);
  EXPECT_GT(before, 0);
}

TEST(Clock, ConvertsWholeUnitsExactly) {
  static_assert(to_nanos(0s) == 0);
  static_assert(to_nanos(7ns) == 7);
  static_assert(to_nanos(3us) == 3'000);
  static_assert(to_nanos(2h) == 7'200'000'000'000);
  static_assert(to_nanos(-5ms) == -5'000'000);
  static_assert(to_nanos(std::chrono::nanoseconds::max()) == kNever);
  static_assert(to_nanos(std::chrono::nanoseconds::min()) == kLeast);
}

TEST(Clock, SaturatesWhatDoesNotFit) {
  static_assert(to_nanos(std::chrono::hours::max()) == kNever);
  // What takes more than 64 bits on the way.
  static_assert(to_nanos(std::chrono::duration<std::int64_t, std::ratio<1, 44'100>>(
                    44'100LL * 9'000'000'000)) == 9'000'000'000'000'000'000);
  static_assert(to_nanos(std::chrono::hours::min()) == kLeast);
  static_assert(to_nanos(std::chrono::seconds(9'223'372'036)) == 9'223'372'036'000'000'000);
  static_assert(to_nanos(std::chrono::seconds(9'223'372'037)) == kNever);
  static_assert(to_nanos(std::chrono::seconds(-9'223'372'037)) == kLeast);
  using UnsignedNanos = duration<std::uint64_t, std::nano>;
  static_assert(to_nanos(UnsignedNanos::max()) == kNever);
  static_assert(to_nanos(UnsignedNanos(std::uint64_t{1} << 62)) == Nanos{1} << 62);
}

TEST(Clock, RoundsFractionsUp) {
  using Picoseconds = duration<std::int64_t, std::pico>;
  static_assert(to_nanos(Picoseconds(1)) == 1);
  static_assert(to_nanos(Picoseconds(1'000)) == 1);
  static_assert(to_nanos(Picoseconds(1'001)) == 2);
  static_assert(to_nanos(Picoseconds(-1'999)) == -1);
  static_assert(to_nanos(duration<int, std::ratio<1, 3>>(1)) == 333'333'334);
  static_assert(to_nanos(duration<double, std::nano>(0.25)) == 1);
  static_assert(to_nanos(duration<double, std::nano>(-0.75)) == 0);
}

TEST(Clock, ConvertsFloatingPoint) {
  static_assert(to_nanos(duration<double>(0.1)) == 100'000'000);
  static_assert(to_nanos(duration<double>(0.3)) == 300'000'000);
  static_assert(to_nanos(duration<float>(1.5f)) == 1'500'000'000);
  static_assert(to_nanos(duration<long double>(-2.0L)) == -2'000'000'000);
  EXPECT_EQ(to_nanos(duration<double>(1e300)), kNever);
  EXPECT_EQ(to_nanos(duration<double>(-1e300)), kLeast);
  EXPECT_EQ(to_nanos(duration<double>(kInfinity)), kNever);
  EXPECT_EQ(to_nanos(duration<double>(-kInfinity)), kLeast);
  static_assert(to_nanos(duration<double, std::nano>(0x1p63)) == kNever);
  static_assert(to_nanos(duration<double, std::nano>(-0x1p63)) == kLeast);
}

TEST(Clock, TakesNotANumberForZero) {
  EXPECT_EQ(to_nanos(duration<double>(std::numeric_limits<double>::quiet_NaN())), 0);
}

TEST(Clock, AddsWithoutWrapping) {
  static_assert(saturating_add(1, 2) == 3);
  static_assert(saturating_add(kNever, 1) == kNever);
  static_assert(saturating_add(kNever, kNever) == kNever);
  static_assert(saturating_add(kLeast, -1) == kLeast);
  static_assert(saturating_add(kNever, kLeast) == -1);
}

TEST(Clock, DeadlinesLieBetweenBootAndNever) {
  static_assert(deadline_after(100, 5ns) == 105);
  static_assert(deadline_after(100, -5ns) == 95);
  static_assert(deadline_after(100, -1h) == 0);
  static_assert(deadline_after(100, std::chrono::hours::max()) == kNever);
  static_assert(deadline_after(kNever - 1, 2ns) == kNever);
  static_assert(to_deadline(steady_clock::time_point::max()) == kNever);
  static_assert(to_deadline(steady_clock::time_point::min()) == 0);
  using HourPoint = std::chrono::time_point<steady_clock, std::chrono::hours>;
  static_assert(to_deadline(HourPoint::max()) == kNever);
}

TEST(Clock, DeadlineAfterCountsFromNow) {
  const Nanos before = now();
  const Nanos deadline = deadline_after(1h);
  const Nanos after = now();
  EXPECT_GE(deadline, before + to_nanos(1h));
  EXPECT_LE(deadline, after + to_nanos(1h));
  EXPECT_EQ(deadline_after(std::chrono::hours::max()), kNever);
}

TEST(Clock, TimePointsComeBack) {
  static_assert(to_deadline(to_time_point(12'345)) == 12'345);
  static_assert(to_deadline(to_time_point(kNever)) == kNever);
}

}  // namespace
}  // namespace weft::detail
