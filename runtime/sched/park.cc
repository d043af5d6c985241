// What a worker does that has found no work: spins for a while, and sleeps. See idle.h for why no
// wake-up is lost.

#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/chaos.h"
#include "sched/worker_inline.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr Nanos kLeastSpin = 1'000;
// Of so many timers none is waited for awake, and it sleeps on for a while after the first, to wake
// once for several.
constexpr std::size_t kManyTimers = 256;
constexpr Nanos kLateOfMany = 100'000;
// But long enough to tell whether what it sees is worth taking.
constexpr Nanos kLongestRipening = 10'000;
// However often spinning failed of late, once in so many parks it gets its full time, to notice a
// change.
constexpr unsigned kParksBetweenProbes = 16;
// Who yields for longer shares the processor with somebody who computes, and waits for a slice of
// the scheduler's each time, while a sleeper is let in at once. So it does not for many parks.
constexpr Nanos kLongestYield = 300'000;
constexpr unsigned kParksAfterLongYield = 1024;
// A worker that has slept for this long gives free stacks back, a batch each time.
constexpr Nanos kIdleBeforeTrim = 100'000'000;

// How long others had it. `time` is now, then and afterwards.
Nanos yield_processor(Nanos& time) noexcept {
  ::sched_yield();
  const Nanos before = std::exchange(time, now());
  return time - before;
}

}  // namespace

// One worker spins before it sleeps, for about what waking it would cost: most waits are shorter
// than that.
Fiber* Worker::spin() noexcept {
  const Nanos limit = scheduler_.spin_limit();
  if (limit == 0) return nullptr;
  const bool probe = parks_until_probe_-- == 0;
  if (probe) parks_until_probe_ = kParksBetweenProbes;
  const Nanos budget = probe ? limit : spin_budget_;
  if (budget == 0 || chaos::strikes(chaos::Kind::kSteal, 4) || !scheduler_.begin_spin())
    return nullptr;
  const bool yields = scheduler_.spin_yields();
  const Nanos start = now();
  if (!ripening_ && timers_.size() >= kManyTimers && timers_.next_deadline() - start < budget &&
      !scheduler_.has_work()) {
    scheduler_.end_spin();
    return nullptr;
  }
  Fiber* fiber = nullptr;
  Nanos time = start;
  Nanos longest_yield = 0;
  do {
    if (yields) {
      longest_yield = std::max(longest_yield, yield_processor(time));
    } else {
      cpu_relax();
    }
    batching_ = true;
    if (timers_.next_deadline() <= time) timers_.expire(time);
    poll_driver();
    batching_ = false;
    if ((fiber = take_injected()) == nullptr) fiber = next_local();
    if (fiber == nullptr && !alone_) fiber = steal_round(time);
    time = now();
    const Nanos least = ripening_ ? kLongestRipening : 0;
    if (time - start >= std::max(budget, least)) break;
  } while (fiber == nullptr && !scheduler_.stopping());
  scheduler_.end_spin();
  if (longest_yield > kLongestYield) {
    spin_budget_ = 0;
    parks_until_probe_ = kParksAfterLongYield;
  } else if (fiber != nullptr) {
    // Twice as long as was needed: the next wait may be a little longer.
    spin_budget_ = std::min(limit, 2 * std::max(spin_budget_, time - start));
  } else {
    spin_budget_ = std::max(kLeastSpin, spin_budget_ / 2);
  }
  return fiber;
}

void Worker::park() {
  Idle& idle = scheduler_.idle();
  Driver& driver = scheduler_.driver();
  // Whoever watches the driver is woken for other work only when nobody else sleeps.
  const bool watches = driver.acquire(index_);
  const bool last = idle.announce(index_, searching_, watches && driver.shared());
  searching_ = false;
  asleep_ = true;
  party_.settle();
  bool slept_long = false;
  if (!must_stay_awake(last) && !chaos::strikes(chaos::Kind::kWake, 8)) {
    stats_.parks.add();
    looked_again_ = false;
    const Nanos late = timers_.size() >= kManyTimers ? kLateOfMany : 0;
    const Nanos deadline = std::min(saturating_add(timers_.next_deadline(), late), trim_time());
    if (watches) {
      parker_.park(driver, index_, deadline, events_);
      just_polled_ = true;
      left_driver_ = false;
    } else {
      parker_.park(deadline);
    }
    slept_long = events_.empty() && !trimmed_ && now() >= deadline;
  }
  if (watches) driver.release(index_);
  stop_sleeping();
  searching_ = left_ == Idle::Left::kToSearch;
  scheduler_.note_activity();
  batching_ = true;
  deliver();
  batching_ = false;
  if (slept_long && left_ == Idle::Left::kByItself) trimmed_ = !stacks_.trim();
}

void Worker::stop_sleeping() noexcept {
  if (!std::exchange(asleep_, false)) return;
  left_ = scheduler_.idle().leave(index_);
  party_.wake_up();
}

// The second look, after the announcement. Besides what is published to all there may be fibers of
// its own, which a rescue or a late event has made ready.
bool Worker::must_stay_awake(bool last_searcher) noexcept {
  return scheduler_.stopping() || !inbox_.empty() || !own_.empty() || !unstarted_.empty() ||
         has_queued() || lifo_waits() ||
         (last_searcher && (scheduler_.has_published_work() || sees_unstarted()));
}

// Fibers that were spawned since it looked, for which nobody was called as it counted as a
// searcher. Once: others may be spawned and be over all the time.
bool Worker::sees_unstarted() noexcept {
  if (std::exchange(looked_again_, true)) return false;
  return scheduler_.has_work();
}

// When to give memory back, if the sleep is that long: stacks that ran once and now lie about.
Nanos Worker::trim_time() const noexcept { return trimmed_ ? kNever : now() + kIdleBeforeTrim; }

}  // namespace weft::detail
