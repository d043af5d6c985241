#pragma once

#include <ctime>

#include <cstdint>

#include "clock.h"

namespace bench {

// The first byte of a request for which the server is to burn CPU before it answers. No other byte
// of any request has this value, so that whoever reads a part of one is not misled.
inline constexpr std::uint8_t kBurnMark = 0xb5;
inline constexpr std::int64_t kBurnNs = 1'000'000;

// Spins until the thread has had so much CPU time: where threads outnumber CPUs, time that others
// ran is no work done.
inline void burn() {
  const std::int64_t until = read_clock_ns(CLOCK_THREAD_CPUTIME_ID) + kBurnNs;
  do {
    // Reading that clock is a system call that takes a lock of the CPU's run queue, which would
    // delay others if it were done all the time.
    for (int i = 0; i < 10'000; ++i) asm volatile("");
  } while (read_clock_ns(CLOCK_THREAD_CPUTIME_ID) < until);
}

// `request` is what a read returned, of at least one byte.
inline void burn_if_marked(const void* request) {
  if (*static_cast<const std::uint8_t*>(request) == kBurnMark) burn();
}

}  // namespace bench
