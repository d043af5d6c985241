#pragma once

// What a worker counts. Written by its owner alone, without read-modify-write; read by anyone.
// Whoever reads a count sees all that was done before it was raised, which the census needs.

#include <cstdint>

#include "base/atomic.h"

namespace weft::detail {

class Counter {
 public:
  [[gnu::always_inline]] void add(std::uint64_t n = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_release);  // [count]
  }
  std::uint64_t read() const noexcept { return value_.load(std::memory_order_acquire); }  // [count]

 private:
  Atomic<std::uint64_t> value_{0};
};

/// See census.h.
struct FiberTally {
  Counter started;
  Counter ended;  // raised after all that the fiber did
};

struct alignas(64) WorkerStats {
  Counter turns;  // switches to a fiber; also the sign of life that thieves and the monitor watch
  FiberTally fibers;
  Counter steals;  // fibers taken from others
  Counter parks;   // sleeps
  Counter wakes;   // other workers woken
  Counter polls;   // calls to the driver
};

}  // namespace weft::detail
