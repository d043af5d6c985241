#pragma once

// Whether a sleeping worker is to be called for what has become ready here.
//
// A call costs the caller some microseconds, and a thread that comes 30 us later. For fibers that
// take one of these each it comes too late, and their owner has run them. So calls that were in
// vain, as nobody has taken anything since, make the next ones rarer: 1, 3, 7, ... offers are left
// out. It is learned by the place in the program where the fibers were spawned: what a server does
// in passing a thousand times keeps nobody from being called for what it does at length.

#include <algorithm>
#include <array>
#include <cstdint>

namespace weft::detail {

/// Of one worker, which alone may call it.
class Offers {
 public:
  using Site = std::uint32_t;
  static constexpr Site kSites = 64;      // places share one if they must
  static constexpr Site kReady = kSites;  // of fibers that are ready again, wherever from

  static Site site(const char* function, std::uint32_t line) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(function);
    return static_cast<Site>((address >> 3) + (address >> 9) + line) % kSites;
  }

  /// Whether to call now.
  bool due(Site site) noexcept {
    Record& record = records_[site];
    if (record.skip == 0) return true;
    --record.skip;
    return false;
  }
  /// Somebody was called, and will have come in vain unless it is told otherwise.
  void called(Site site) noexcept {
    Record& record = records_[site];
    record.skip = record.backoff;
    record.backoff = static_cast<std::uint16_t>(std::min(2 * record.backoff + 1, kMostSkipped));
  }
  /// Somebody has taken such a fiber.
  void taken(Site site) noexcept { records_[site] = {}; }
  void forget() noexcept { records_ = {}; }

 private:
  static constexpr int kMostSkipped = 65535;

  struct Record {
    std::uint16_t backoff = 0;
    std::uint16_t skip = 0;
  };
  std::array<Record, kSites + 1> records_{};
};

}  // namespace weft::detail
