// What a worker does on its own stack: looks after timers and the driver, and for work here and
// elsewhere. Where there is none: park.cc.

#include <algorithm>
#include <utility>

#include "base/chaos.h"
#include "base/party.h"
#include "sched/worker_inline.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr int kStealRounds = 4;
constexpr std::size_t kInjectedAtOnce = 32;
// So long a thief waits for what it has asked for.
constexpr Nanos kLongestAnswer = 3'000;
// The way there and back, and what each fiber takes longer where it was not spawned: what is over
// sooner had better stayed.
constexpr Nanos kWay = 5'000;
constexpr Nanos kEachWay = 1'000;
constexpr Nanos kShortestPause = 5'000;
constexpr Nanos kLongestPause = 100'000;
constexpr Nanos kNotWatched = 0;
// So long may fibers that have not started yield to those that were spawned later.
constexpr Nanos kLongestUnstarted = 100'000'000;
constexpr unsigned kPollsSkippedInARow = 8;
constexpr Nanos kLongAway = 100'000;
constexpr Nanos kLongTurn = 50'000;  // in the mean
// Timers and the driver wait for no longer than this where turns are that short.
constexpr Nanos kLongestRound = 500'000;
constexpr unsigned kCallsAfterLong = 64;

}  // namespace

Fiber* Worker::find_work() {
  for (;;) {
    housekeeping();
    if constexpr (chaos::kOn) {
      if (Fiber* const stolen = stir()) return found(stolen);
    }
    // Now and then the injector goes first, or a full ring would starve it; but not twice in a row,
    // as a round may be of one turn: to what it gave, and back.
    if (!fifo_ && stats_.turns.read() - injected_at_ <= 2) {
      if (Fiber* const local = next_local()) return found(local);
    }
    if (Fiber* const injected = take_injected()) {
      injected_at_ = stats_.turns.read();
      return found(injected);
    }
    if (Fiber* const local = next_local()) return found(local);
    if (Fiber* const elsewhere = search()) return found(elsewhere);
    if (scheduler_.stopping()) return nullptr;
    park();
  }
}

void Worker::housekeeping() {
  note_return();
  party_.look_around();
  if (!alone_) {
    spawned_.have_barrier(solo_is_prepared());
    spawned_.come_by();
  }
  fail_starved();
  batching_ = true;
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

// Depth first, those that were spawned first may wait for ever: under a chain of fibers, say, each
// of which spawns the next. So when some have been waiting all the time for a while, they queue
// with those that have started.
void Worker::age_unstarted() noexcept {
  if (unstarted_.empty() && spawned_.count() == 0) {
    unstarted_since_ = kNever;
    return;
  }
  const Nanos time = now();
  unstarted_since_ = std::min(unstarted_since_, time);
  if (time - unstarted_since_ < kLongestUnstarted && !chaos::strikes(chaos::Kind::kQueue, 16))
    return;
  unstarted_since_ = kNever;
  while (Fiber* const fiber = alone_ ? unstarted_.pop() : spawned_.pop_oldest()) enqueue(*fiber);
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

// About to run `fiber`. One call now for all that became ready in a batch, and for what producers
// left to this worker while it searched; none when that was just this fiber. The look comes after
// the end of the search: who publishes later sees that nobody searches.
Fiber* Worker::found(Fiber* fiber) noexcept {
  const bool was_last = searching_ && scheduler_.idle().end_search();
  party_.arrive();
  if (was_last || batched_) {
    if (scheduler_.has_work()) {
      wake_another();
    } else if (!alone_ && has_lone()) {
      offer(Offers::kReady);
    }
  }
  searching_ = batched_ = trimmed_ = looked_again_ = false;
  note_departure();
  return fiber;
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

void Worker::note_return() noexcept {
  if (away_since_ == kNever) return;
  const Nanos away = now() - std::exchange(away_since_, kNever);
  // Many short turns are a round, which does not last: see pace().
  const Nanos turns = turns_given_ - turns_left_;
  if (away > kLongAway && away > turns * kLongTurn) calls_left_ = kCallsAfterLong;
  pace(away);
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

Fiber* Worker::take_injected() noexcept {
  Fiber* fibers[kInjectedAtOnce];
  Injector<Fiber>& injector = scheduler_.injector();
  const std::size_t share = injector.size() / scheduler_.worker_count() + 1;
  const std::size_t most =
      chaos::strikes(chaos::Kind::kQueue, 1) ? 1 + chaos::below(4) : kInjectedAtOnce;
  const std::size_t got = injector.pop(port_, fibers, std::min(share, most));
  if (got == 0) return nullptr;
  batching_ = true;
  // In strict order all queue behind those that are ready.
  for (std::size_t i = fifo_ ? 0 : 1; i < got; ++i) enqueue(*fibers[i]);
  batching_ = false;
  return fifo_ ? nullptr : fibers[0];
}

// ---- Elsewhere.

// Chaos alone: wakes who has nothing to do, and takes from others although there is work here.
Fiber* Worker::stir() noexcept {
  if (chaos::strikes(chaos::Kind::kWake, 16)) scheduler_.wake_any();
  if (chaos::strikes(chaos::Kind::kWake, 16))
    scheduler_.worker(chaos::below(scheduler_.worker_count())).unpark();
  if (chaos::strikes(chaos::Kind::kQueue, 16)) stacks_.trim();
  return !alone_ && chaos::strikes(chaos::Kind::kSteal, 4) ? steal_round(kNotWatched) : nullptr;
}

Fiber* Worker::search() noexcept {
  if (!alone_) {
    weigh_haul();
    if (!searching_) searching_ = scheduler_.idle().begin_search();
    if (!searching_) return nullptr;
    const bool spins = scheduler_.spin_limit() > 0;
    for (int round = 0; round < kStealRounds; ++round) {
      if (Fiber* const stolen = steal_round(spins ? kNotWatched : now())) return stolen;
      if (Fiber* const injected = take_injected()) return injected;
    }
  }
  return spin();
}

// A lone fiber, and the one in the LIFO slot, belong to their owner until it has not moved on for a
// while: two workers that took them from each other at once would spend their time on that. `now`
// is kNotWatched when the caller does not look long enough to tell.
Fiber* Worker::steal_round(Nanos now) noexcept {
  if (rescue()) {
    if (Fiber* const rescued = next_local()) return rescued;
  }
  ripening_ = false;
  const unsigned workers = scheduler_.worker_count();
  const unsigned first = rng_.below(workers);
  for (unsigned i = 0; i < workers; ++i) {
    Worker& victim = scheduler_.worker((first + i) % workers);
    if (&victim == this || chaos::strikes(chaos::Kind::kSteal, 4)) continue;
    Fiber* stolen = steal_from(victim, now);
    if (stolen == nullptr && seems_stuck(victim, now)) stolen = take_from_stuck(victim, now);
    if (stolen != nullptr) {
      stats_.steals.add();
      return stolen;
    }
  }
  return nullptr;
}

Fiber* Worker::take_from_stuck(Worker& victim, Nanos now) noexcept {
  if (Fiber* const lone = take_lone(victim, now == kNotWatched || now >= haul_.not_before))
    return lone;
  if (scheduler_.driver().shared()) return nullptr;
  take_events(victim);
  return next_local();
}

Fiber* Worker::take_lone(Worker& victim, bool even_unstarted) noexcept {
  if (Fiber* const lone = ring_.steal_from(victim.ring_, true)) {
    victim.robbed_.store(Offers::kReady + 1, std::memory_order_relaxed);
    return lone;
  }
  if (even_unstarted && !victim.spawned_.empty()) {
    if (Fiber* const spawned = steal_spawned(victim, /*by_force=*/true)) return spawned;
  }
  return victim.lifo_.steal();
}

Fiber* Worker::steal_from(Worker& victim, Nanos now) noexcept {
  if (Fiber* const ready = ring_.steal_from(victim.ring_, false)) {
    victim.robbed_.store(Offers::kReady + 1, std::memory_order_relaxed);
    return ready;
  }
  return has_ripened(victim, now) ? steal_spawned(victim, /*by_force=*/false) : nullptr;
}

// The older half. They queue up here, each likely to be the root of many, and others may take them
// on.
Fiber* Worker::steal_spawned(Worker& victim, bool by_force) noexcept {
  SpawnDeque<Fiber>::Batch taken;
  std::uint32_t count = 0;
  if (by_force) {
    count = victim.spawned_.force(taken);
  } else {
    const Nanos start = now();
    count = victim.spawned_.ask(taken, haul_.most, [&] {
      cpu_relax();
      return now() - start < kLongestAnswer;
    });
  }
  if (count == 0) return nullptr;
  haul_.count = count;
  haul_.victim = victim.index_;
  haul_.site = birthplace(*taken[0]);
  haul_.since = now();
  for (std::uint32_t i = 1; i < count; ++i) {
    if (!spawned_.push(taken[i], nullptr)) enqueue(*taken[i]);
  }
  return taken[0];
}

// Back from what it took last. If that was worth it, it takes more at a time; if not, less, and
// later.
void Worker::weigh_haul() noexcept {
  if (haul_.count == 0) return;
  const Nanos time = now();
  const Nanos took = time - haul_.since;
  const Nanos price = kWay + std::exchange(haul_.count, 0U) * kEachWay;
  if (took >= price) {
    haul_.most = std::min(2 * haul_.most, SpawnDeque<Fiber>::kMostAtOnce);
    haul_.pause = 0;
    scheduler_.worker(haul_.victim).robbed_.store(haul_.site + 1, std::memory_order_relaxed);
  } else if (took < price / 2) {
    haul_.most = std::max(haul_.most / 2, 1U);
    haul_.pause = std::clamp(2 * haul_.pause, kShortestPause, kLongestPause);
    haul_.not_before = time + haul_.pause;
  }
}

// Whether it has had unstarted fibers to spare for so long that they are worth the way.
bool Worker::has_ripened(const Worker& victim, Nanos now) noexcept {
  if (victim.spawned_.count() < 2 || (now != kNotWatched && now < haul_.not_before)) return false;
  if (scheduler_.spin_limit() == 0 || chaos::strikes(chaos::Kind::kSteal, 2)) return true;
  if (now == kNotWatched) {
    ripening_ = true;
    return false;
  }
  Sighting& seen = sightings_[victim.index_];
  const std::uint32_t times_emptied = victim.spawned_.times_emptied();
  if (seen.spare_since == kNever || seen.times_emptied != times_emptied) {
    seen.times_emptied = times_emptied;
    seen.spare_since = now;
  }
  const bool ripe = now - seen.spare_since >= kPatience;
  ripening_ |= !ripe;
  return ripe;
}

// Takes over for the workers that the monitor has found stuck. False: there are none.
bool Worker::rescue() noexcept {
  if (!scheduler_.take_rescue()) return false;
  bool any = false;
  for (unsigned i = 0; i < scheduler_.worker_count(); ++i) {
    if (!scheduler_.take_stuck(i) || i == index_) continue;
    take_over(scheduler_.worker(i));
    any = true;
  }
  return any;
}

// Its timers and what its driver has for it, which make fibers ready here, and its lone fibers.
void Worker::take_over(Worker& victim) noexcept {
  const bool batching = std::exchange(batching_, true);
  victim.timers_.expire(now());
  if (Fiber* const lone = take_lone(victim, true)) {
    stats_.steals.add();
    enqueue(*lone);
  }
  take_events(victim);
  batching_ = batching;
}

// What its driver has for a worker that is stuck becomes ready here.
void Worker::take_events(Worker& victim) noexcept {
  scheduler_.driver().take_over(victim.index_, events_);
  const bool batching = std::exchange(batching_, true);
  deliver();
  batching_ = batching;
}

bool Worker::seems_stuck(Worker& victim, Nanos now) noexcept {
  // Without spinning nobody ever looks for long enough.
  if (scheduler_.spin_limit() == 0 || chaos::strikes(chaos::Kind::kSteal, 2)) return true;
  if (now == kNotWatched) return false;
  Sighting& seen = sightings_[victim.index_];
  const std::uint64_t turns = victim.stats_.turns.read();
  if (turns != seen.turns) {
    seen.turns = turns;
    seen.since = now;
    return false;
  }
  return now - seen.since >= kPatience;
}

}  // namespace weft::detail
