#pragma once

// Processor time, which goes on only while a thread runs: unlike the time of day it does not depend
// on what else the machine has to do.

#include <gtest/gtest.h>
#include <pthread.h>

#include <chrono>
#include <ctime>

namespace support {

/// What the process (CLOCK_PROCESS_CPUTIME_ID) or the calling thread (CLOCK_THREAD_CPUTIME_ID) has
/// taken.
inline std::chrono::nanoseconds cpu_time(clockid_t clock) {
  timespec time{};
  EXPECT_EQ(::clock_gettime(clock, &time), 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

/// What another thread has taken, which has not ended.
inline std::chrono::nanoseconds cpu_time(pthread_t thread) {
  clockid_t clock{};
  EXPECT_EQ(::pthread_getcpuclockid(thread, &clock), 0);
  return cpu_time(clock);
}

}  // namespace support
