#pragma once

// Depth first, what was spawned early may wait for ever while others spawn. So fibers that have
// waited for long to be started are started out of their order, beside those that are ready.
//
// But in a tree of tasks most of them wait for long, and rightly: each that is started early opens
// a branch of its own. If all were, as often as some have waited for long, the tree would be walked
// in breadth after all, and hold a stack for each of its nodes. A branch shows by what its fiber
// does: it runs, or waits for tasks. Of such, only a few are open at a time, and where they stay
// open, one more goes now and then, ever more rarely. Anything else that was started early, such as
// a connection's fiber that waits for its peer, no longer counts.
//
// Invariant: what is due is the set that waited at one moment, and only becomes smaller. So each of
// it is started in the end: the next moment comes when none is due any more.

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
    if (count_ == kMostOpen && now >= next_count_) {
      next_count_ = now + kBetweenCounts;
      forget_closed();
    }
    if (count_ < kMostOpen) {
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
    if (count_ < kMostOpen) open_[count_++] = {&fiber, fiber.id.load(std::memory_order_relaxed)};
  }

 private:
  static constexpr Nanos kLongest = 100'000'000;
  static constexpr Nanos kLongestPause = 10'000'000'000;
  static constexpr Nanos kBetweenCounts = 100'000;

  struct Open {
    const Fiber* fiber;
    std::uint64_t id;

    // The descriptor may be another fiber's by now; what is read tells, or is a moment old.
    bool closed() const noexcept {
      if (fiber->scheduler.load(std::memory_order_relaxed) == nullptr ||
          fiber->id.load(std::memory_order_relaxed) != id) {
        return true;
      }
      const WaitsFor what = fiber->waits_for.load(std::memory_order_relaxed);
      return what != WaitsFor::kUnsaid && what != WaitsFor::kTask && what != WaitsFor::kTasks;
    }
  };

  void forget_closed() noexcept {
    const auto end = std::remove_if(open_.begin(), open_.begin() + count_,
                                    [](const Open& open) { return open.closed(); });
    count_ = static_cast<std::uint32_t>(end - open_.begin());
  }

  Nanos since_ = kNever;  // some have waited each time since
  Nanos next_ = 0;        // one more, however many are open
  Nanos next_count_ = 0;
  Nanos pause_ = kLongest;
  std::uint32_t count_ = 0;
  std::array<Open, kMostOpen> open_;
};

}  // namespace weft::detail
