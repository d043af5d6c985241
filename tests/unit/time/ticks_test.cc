// Goal: a moment that was noted as a tick is found again, never too early and hardly too late,
// whatever the distance. Method: beside the clock; and with readings that no machine would give.

#include "time/ticks.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace weft::detail {
namespace {

constexpr Nanos kMicrosecond = 1'000;
constexpr Nanos kMillisecond = 1'000'000;

TEST(Ticks, FindAMomentAgain) {
  begin_ticks();
  for (const Nanos distance : {Nanos{0}, kMicrosecond, 100 * kMicrosecond, 20 * kMillisecond}) {
    for (int round = 0; round < 20; ++round) {
      const Nanos before = now();
      const Ticks then = ticks();
      const Nanos after = now();
      while (now() - after < distance) {
      }
      const Nanos found = time_of(then, read_both());
      EXPECT_GE(found, before) << distance;
      // An interruption may come between any two of these.
      const Nanos latest = after + 2 * kMicrosecond + distance / 500;
      if (found <= latest || round == 19) {
        EXPECT_LE(found, latest) << distance;
        break;
      }
    }
  }
}

TEST(Ticks, OfAnotherThreadAreTheSame) {
  begin_ticks();
  for (int round = 0; round < 50; ++round) {
    Nanos before = 0;
    Ticks then = 0;
    std::thread([&] {
      before = now();
      then = ticks();
    }).join();
    EXPECT_GE(time_of(then, read_both()), before);
  }
}

TEST(Ticks, ThatAreStillToComeAreNow) {
  const Reading reading = read_both();
  EXPECT_EQ(time_of(reading.ticks + 1'000'000, reading), reading.time);
  EXPECT_EQ(time_of(reading.ticks, reading), reading.time);
}

TEST(Ticks, OfACounterThatWasSetBackAreNow) {
  begin_ticks();
  const Reading reading{0, now()};
  EXPECT_EQ(time_of(1'000, reading), reading.time);
  EXPECT_EQ(time_of(0, reading), reading.time);
}

TEST(Ticks, AreFoundAsWellOnceTheRateIsKnown) {
  begin_ticks();
  std::this_thread::sleep_for(std::chrono::milliseconds(11));
  learn_ticks();
  const Nanos before = now();
  const Ticks then = ticks();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const Reading reading = read_both();
  EXPECT_GE(time_of(then, reading), before);
  EXPECT_LT(time_of(then, reading), reading.time - 4 * kMillisecond);
}

}  // namespace
}  // namespace weft::detail
