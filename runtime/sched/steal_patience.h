#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace weft::detail {

/// How long a worker leaves the fibers that others have spawned to these, before it steals them.
///
/// A stolen fiber brings its cache lines along, and its owner pays for each look at the queue.
/// Where what was stolen is over sooner than that is worth, the owner had better run it. So the
/// thief leaves it that time, each time twice as much; none again as soon as a theft was worth it,
/// or there was nothing to steal. Ten empty children of a `gather`, on two workers: 2.5 thefts a
/// gather, and 400 ns a child instead of 80; with this, 0.15 thefts and 120 ns.
class StealPatience {
 public:
  // A task this long, and what the move costs, take as long as if its owner had run it.
  static constexpr Nanos kWorthStealing = 1'000;
  static constexpr Nanos kLeast = 1'000;
  static constexpr Nanos kMost = 64'000;

  Nanos patience() const noexcept { return patience_; }

  /// So many were stolen.
  void stole(std::uint32_t count, Nanos now) noexcept {
    stolen_ = count;
    since_ = now;
  }
  /// They are over, with all that they spawned here, and the worker looks for more.
  void looks_again(Nanos now) noexcept {
    if (stolen_ == 0) return;
    const bool worth_it = (now - since_) / stolen_ >= kWorthStealing;
    patience_ = worth_it ? 0 : std::clamp(2 * patience_, kLeast, kMost);
    stolen_ = 0;
  }
  void found_nothing() noexcept { patience_ = 0; }
  /// Whether looks_again() wants to know the time.
  bool has_stolen() const noexcept { return stolen_ > 0; }

 private:
  Nanos patience_ = 0;
  Nanos since_ = 0;
  std::uint32_t stolen_ = 0;
};

}  // namespace weft::detail
