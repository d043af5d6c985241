#pragma once

// What a thief has taken last of fibers that have not started, whether that was worth the way, and
// what follows from it for the next time.
//
// Its time runs from when the first of them does. It is over when the thief looks for work again;
// or before, when what it does next is something else. For with the end of one of them the fiber
// that has spawned them may come along, and go on here: what that one does would pass for what was
// taken. So when such a companion is woken and all of the haul has ended, it is weighed; if some is
// left, the companion most likely waits for that next, and it is weighed when the companion spawns
// others.

#include <algorithm>
#include <cstdint>

#include "fiber/fiber.h"
#include "sched/offers.h"
#include "sched/spawn_deque.h"
#include "time/clock.h"

namespace weft::detail {

/// Of one worker, which alone may call it. `ended` is always the count of fibers that have ended
/// there.
class Haul {
 public:
  struct Origin {
    unsigned victim = 0;
    Offers::Site site = 0;
  };

  /// It took so many; zero: of which nothing is to be learned.
  void take(std::uint32_t count, Origin origin, std::uint64_t ended) noexcept {
    count_ = count;
    origin_ = origin;
    ended_ = ended;
    since_ = kNotBegun;
    companion_ = nullptr;
  }
  bool begun() const noexcept { return since_ != kNotBegun; }
  void begin(Nanos time) noexcept { since_ = time; }

  /// Whether it is still to be weighed.
  bool pending() const noexcept { return count_ != 0; }
  Origin origin() const noexcept { return origin_; }

  /// A fiber that waited elsewhere is woken here, most likely by one that is about to end, and is
  /// taken to have. True: weigh it now.
  bool brings(const Fiber& companion, std::uint64_t ended) noexcept {
    companion_ = &companion;
    return ended + 1 - ended_ >= count_;
  }
  /// Whether it is such a one, and the haul is still to be weighed.
  bool has_companion(const Fiber& fiber) const noexcept { return companion_ == &fiber; }

  /// True: it was worth the way.
  bool weigh(Nanos time, std::uint64_t ended) noexcept {
    const auto ran = std::min<std::uint64_t>(ended - ended_, count_);
    const Nanos price = kWay + static_cast<Nanos>(ran) * kEachWay;
    const Nanos took = time - since_;
    count_ = 0;
    companion_ = nullptr;
    if (took >= price) {
      most_ = std::min(2 * most_, kMost);
      pause_ = 0;
    } else if (took < price / 2) {
      most_ = std::max(most_ / 2, 1U);
      pause_ = std::clamp(2 * pause_, kShortestPause, kLongestPause);
      not_before_ = time + pause_;
    }
    return took >= price;
  }

  // -- For the next.

  std::uint32_t most() const noexcept { return most_; }
  bool may_follow(Nanos time) const noexcept { return time >= not_before_; }

 private:
  static constexpr std::uint32_t kMost = SpawnDeque<Fiber>::kMostAtOnce;
  // The way there and back, and what each fiber takes longer where it was not spawned: what is over
  // sooner had better stayed.
  static constexpr Nanos kWay = 5'000;
  static constexpr Nanos kEachWay = 1'000;
  static constexpr Nanos kShortestPause = 5'000;
  static constexpr Nanos kLongestPause = 100'000;
  static constexpr Nanos kNotBegun = kNever;

  std::uint32_t count_ = 0;
  Origin origin_;
  std::uint64_t ended_ = 0;  // before
  Nanos since_ = 0;
  const Fiber* companion_ = nullptr;  // compared, never touched
  std::uint32_t most_ = kMost;
  Nanos pause_ = 0;
  Nanos not_before_ = 0;
};

}  // namespace weft::detail
