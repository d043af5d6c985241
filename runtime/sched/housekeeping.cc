// What a worker does now and then on its own stack, whatever else there is to do: it looks after
// timers, the driver and those that have waited for long, here or on a worker that stands still.

#include <algorithm>
#include <utility>

#include "base/chaos.h"
#include "base/party.h"
#include "sched/worker_inline.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr unsigned kPollsSkippedInARow = 8;
constexpr Nanos kLongAway = 100'000;
constexpr Nanos kLongTurn = 50'000;  // in the mean
// Timers and the driver wait for no longer than this where turns are that short.
constexpr Nanos kLongestRound = 500'000;
constexpr unsigned kCallsAfterLong = 64;
// So often a busy worker looks whether others stand still, and where it looks at no clock for other
// reasons, after so many rounds.
constexpr Nanos kBetweenLooks = 200'000;
constexpr unsigned kRoundsBetweenLooks = 16;
// Workers even out what is ready where one has more than twice as much as the other, and so many.
constexpr std::uint32_t kUneven = 4;

}  // namespace

void Worker::housekeeping() {
  const Nanos time = note_return();
  party_.look_around();
  if (!alone_) {
    spawned_.have_barrier(solo_is_prepared());
    spawned_.come_by();
  }
  crowded_ = !alone_ && !fifo_ && scheduler_.injector().size() > kInjectedAtOnce;
  fail_starved();
  batching_ = true;
  if (!alone_) relieve_others(time);
  age_unstarted();
  // Events before timers, as in asyncio.
  const Nanos deadline = timers_.next_deadline();
  has_timers_ = deadline != kNever;
  const bool due = has_timers_ && deadline <= now();
  // Before the last of what it waits for is taken from it: more is likely to come.
  has_driver_ = scheduler_.driver().active();
  if (!may_leave_driver(due)) poll_driver();
  if (due) timers_.expire(now());
  begin_round();
  rescue();
  batching_ = false;
}

void Worker::begin_round() noexcept {
  const bool timed = has_timers_ || has_driver_;
  if (timed) {
    begin_pacing();
  } else {
    paced_ = false;
  }
  turns_left_ = turns_given_ = timed ? turns_in_round_ : kTurnsBetweenHousekeeping;
}

// Whether the driver need not be asked now: it has just been, or will be when this worker goes to
// sleep, as it is about to. It is not left so twice in a row.
bool Worker::may_leave_driver(bool timers_due) noexcept {
  if (std::exchange(just_polled_, false)) return true;
  const bool sleeps_next = alone_ && !timers_due && own_.empty() && unstarted_.empty() &&
                           !lifo_.waits() && inbox_.looks_empty() &&
                           scheduler_.injector().size() == 0;
  left_driver_ = sleeps_next && !left_driver_;
  return left_driver_;
}

// Some of those that have waited for long to be started queue with those that have. See aging.h.
void Worker::age_unstarted() noexcept {
  due_ = std::min(due_, spawned_.count());
  if (unstarted_.empty() && spawned_.empty()) {
    aging_.rest();
    return;
  }
  const Nanos time = now();
  if (!unstarted_.has_due() && due_ == 0) {
    if (!aging_.begins(time)) return;
    unstarted_.make_all_due();
    due_ = spawned_.count();
  }
  while (aging_.may_start(time)) {
    Fiber* const fiber = take_due();
    if (fiber == nullptr) return;
    // One that has started waits behind what it has spawned.
    if (!fiber->started()) aging_.opens(*fiber);
    enqueue(*fiber);
  }
}

// With thieves about, the oldest.
Fiber* Worker::take_due() noexcept {
  if (alone_) return unstarted_.take_early();
  if (due_ == 0) return nullptr;
  --due_;
  return spawned_.pop_oldest();
}

void Worker::fail_starved() noexcept {
  while (Fiber* const fiber = starved_.pop()) {
    fiber->code->no_stack(*fiber);
    retire(*fiber);
  }
}

void Worker::poll_driver() noexcept {
  Driver& driver = scheduler_.driver();
  // With a ring that is half full there is enough to do, and what comes would not fit behind it: it
  // would overtake, by way of the injector. But a ring may stay so for ever.
  const bool plenty = ring_.size() > RunQueue<Fiber>::kHalf;
  if (plenty && ++polls_skipped_ < kPollsSkippedInARow) return;
  polls_skipped_ = 0;
  if (chaos::strikes(chaos::Kind::kDriver, 4)) return;
  if (!driver.active() || !driver.acquire(index_)) return;
  stats_.polls.add();
  driver.poll(index_, 0, events_);
  driver.release(index_);
  deliver();
}

void Worker::deliver() noexcept {
  for (const Ready& event : events_) wake(event.token, event.reason);
  events_.clear();
}

// While this worker is away, nobody may ask the driver: those asleep wait for the monitor to wake
// them for it. Mostly that is for a moment. Where it was for long of late, it calls somebody who
// looks after the driver in its stead, each time for a while.
void Worker::note_departure() noexcept {
  const bool has_driver = scheduler_.driver().active();
  if (!has_driver && !has_driver_ && !has_timers_) return;
  if (has_driver && !alone_ && calls_left_ > 0) {
    --calls_left_;
    wake_another();
  }
  away_since_ = now();
}

// The time, or kNever where that was not looked at.
Nanos Worker::note_return() noexcept {
  if (away_since_ == kNever) return kNever;
  const Nanos time = now();
  const Nanos away = time - std::exchange(away_since_, kNever);
  // Many short turns are a round, which does not last: see pace().
  const Nanos turns = turns_given_ - turns_left_;
  if (away > kLongAway && away > turns * kLongTurn) calls_left_ = kCallsAfterLong;
  pace(away);
  return time;
}

// A worker may be in a fiber that computes, or have lost its processor for milliseconds, to another
// worker even. What is ready there would wait as long: who is busy itself never looks for work.
void Worker::relieve_others(Nanos time) noexcept {
  if (fifo_) return;
  if (time == kNever) {
    if (++rounds_without_look_ < kRoundsBetweenLooks) return;
    time = now();
  }
  rounds_without_look_ = 0;
  if (time - looked_at_others_ < kBetweenLooks) return;
  looked_at_others_ = time;
  // One at a time, for to look is to take a cache line away from who is busy, too; and then the
  // next, or all would watch the one that stands still for long.
  Worker& watched = scheduler_.worker(watched_);
  if (watched.stats_.turns.read() == watched_turns_) {
    relieve(watched);
  } else if (watched.ring_.size() > 2 * ring_.size() + kUneven) {
    if (Fiber* const ready = ring_.steal_from(watched.ring_, false)) take_up(*ready);
  }
  do {
    watched_ = (watched_ + 1) % scheduler_.worker_count();
  } while (watched_ == index_);
  watched_turns_ = scheduler_.worker(watched_).stats_.turns.read();
}

void Worker::relieve(Worker& victim) noexcept {
  while (ring_.size() <= RunQueue<Fiber>::kHalf) {
    Fiber* const ready = take_lone(victim, /*even_unstarted=*/false);
    if (ready == nullptr) return;
    take_up(*ready);
  }
}

void Worker::take_up(Fiber& stolen) noexcept {
  stats_.steals.add();
  enqueue(stolen);
}

// Turns are counted, not timed: most are over before a clock is read. Where they took long, a round
// has fewer of them; but not in strict order, where those that are ready come before timers.
void Worker::pace(Nanos round) noexcept {
  if (fifo_) return;
  if (round > kLongestRound) {
    const Nanos turns = turns_in_round_ - std::max(turns_left_, 0);
    turns_in_round_ = std::max(1, static_cast<int>(turns * kLongestRound / round));
  } else if (round < kLongestRound / 2) {
    turns_in_round_ = std::min(2 * turns_in_round_, kTurnsBetweenHousekeeping);
  }
}

}  // namespace weft::detail
