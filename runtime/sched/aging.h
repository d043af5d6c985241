#pragma once

// Depth first, what was spawned early may wait for ever while others spawn. So fibers that have
// waited for long to be started are started out of their order, beside those that are ready.
//
// But in a tree of tasks most of them wait for long, and rightly: each that is started early opens
// a branch of its own. If all were, as often as some have waited for long, the tree would be walked
// in breadth after all, and hold a stack for each of its nodes. A branch shows by what its fiber
// does: it runs, or waits for tasks (for their ends, that is; who waits by other means is not
// recognized). Of such, only a few are open at a time, and where they stay open, one more goes now
// and then, ever more rarely. What waits for anything else, such as a connection's fiber for its
// peer, does not count.
//
// Invariant: those that are due are as many as waited at one moment, at most, and become fewer.
// Nobody comes to wait before them, so each is started in the end: the next moment comes when none
// is due any more. Being due takes nothing away: in their order they would be started as before.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/chaos.h"
#include "base/time.h"
#include "fiber/fiber.h"

namespace weft::detail {

/// A worker's own. Times are moments of its clock.
class Aging {
 public:
  static constexpr std::size_t kMostOpen = chaos::kOn ? 4 : 64;

  /// Nobody waits to be started.
  void rest() noexcept { since_ = kNever; }

  /// Somebody does. Whether some have, each time it was asked, for so long that all that wait now
  /// are due.
  bool begins(Nanos now) noexcept {
    since_ = std::min(since_, now);
    if (now - since_ < kLongest && !chaos::strikes(chaos::Kind::kQueue, 16)) return false;
    since_ = kNever;
    return true;
  }

  /// Whether one that is due may be started now.
  bool may_start(Nanos now) noexcept {
    if (open_count_ >= kMostOpen && now >= next_count_) {
      next_count_ = now + kBetweenCounts;
      count_open();
    }
    if (open_count_ < kMostOpen) {
      pause_ = kLongest;
      next_ = now + pause_;
      return true;
    }
    if (now < next_) return false;
    pause_ = std::min(2 * pause_, kLongestPause);
    next_ = now + pause_;
    return true;
  }

  /// It is being started.
  void opens(Fiber& fiber) noexcept {
    // What the descriptor's last fiber waited for.
    fiber.waits_for.store(WaitsFor::kUnsaid, std::memory_order_relaxed);
    if (open_count_ >= kMostOpen) return;
    // In the place of one that is not open, which goes behind the others while there is room.
    NotedFiber& place = started_[open_count_++];
    if (known_ < started_.size()) started_[known_++] = place;
    place = NotedFiber::of(fiber);
  }

 private:
  static constexpr Nanos kLongest = 100'000'000;
  static constexpr Nanos kLongestPause = 10'000'000'000;
  static constexpr Nanos kBetweenCounts = 100'000;

  // As far as can be told: what is read may be a moment old.
  static bool is_open(const NotedFiber& started) noexcept {
    const WaitsFor what = started.fiber->waits_for.load(std::memory_order_relaxed);
    return what == WaitsFor::kUnsaid || what == WaitsFor::kTask || what == WaitsFor::kTasks;
  }

  // One that is not may be again.
  void count_open() noexcept {
    const auto begin = started_.begin();
    const auto end = std::partition(begin, begin + known_,
                                    [](const NotedFiber& started) { return started.lives(); });
    const auto closed = std::partition(begin, end, &is_open);
    known_ = static_cast<std::uint32_t>(end - begin);
    open_count_ = static_cast<std::uint32_t>(closed - begin);
  }

  Nanos since_ = kNever;  // some have waited each time since
  Nanos next_ = 0;        // one more, however many are open
  Nanos next_count_ = 0;
  Nanos pause_ = kLongest;
  // Those that were started early, as far as they are known; the open ones come first.
  std::uint32_t open_count_ = 0;
  std::uint32_t known_ = 0;
  std::array<NotedFiber, 2 * kMostOpen> started_{};
};

}  // namespace weft::detail
