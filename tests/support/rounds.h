#pragma once

// Random tests run in rounds, for a few seconds, each with random numbers of its own: a seed gives
// the same rounds again, however many of them fit into the time.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"

namespace support {

/// Calls `round(stream)` until `time` is over or something has failed. `stream` is for Random, and
/// leaves room for a million streams more, one for each task of the round.
template <class F>
void for_rounds(std::chrono::milliseconds time, F&& round) {
  const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
  Watchdog watchdog(name + ", WEFT_SEED=" + std::to_string(seed()), std::chrono::seconds(30));
  const auto end = std::chrono::steady_clock::now() + time;
  std::uint64_t rounds = 0;
  do {
    SCOPED_TRACE("round " + std::to_string(rounds));
    round(rounds << 20);
    watchdog.progress();
    ++rounds;
  } while (!testing::Test::HasFailure() && std::chrono::steady_clock::now() < end);
  std::printf("%llu rounds\n", static_cast<unsigned long long>(rounds));
}

}  // namespace support
