#pragma once

// Random tests print their seed, and take it back from WEFT_SEED.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace support {

/// The seed of this run, printed once.
inline std::uint64_t seed() {
  static const std::uint64_t chosen = [] {
    const char* const given = std::getenv("WEFT_SEED");
    const std::uint64_t value =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::uint64_t{std::random_device()()};
    std::printf("replay with WEFT_SEED=%llu\n", static_cast<unsigned long long>(value));
    std::fflush(stdout);
    return value;
  }();
  return chosen;
}

/// Random numbers that depend on the seed and on `stream`, not on who asks first: each task of a
/// random program has a stream of its own, so that the program is the same whatever the schedule.
class Random {
 public:
  explicit Random(std::uint64_t stream) : Random(seed(), stream) {}
  /// The same with another seed than that of the run.
  Random(std::uint64_t seed, std::uint64_t stream) : state_(mix(seed ^ mix(stream))) {}

  /// For a task of its own.
  Random split() { return Random(next(), 0); }
  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }
  int below(int bound) { return static_cast<int>(next() % static_cast<std::uint64_t>(bound)); }
  bool one_in(int chances) { return below(chances) == 0; }

 private:
  // SplitMix64 (Steele, Lea, Flood 2014).
  static std::uint64_t mix(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

  std::uint64_t state_;
};

}  // namespace support
