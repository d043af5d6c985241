// What a worker does on its own stack: looks for work here and elsewhere. What comes before that:
// housekeeping.cc. Where there is none: park.cc.

#include <algorithm>
#include <utility>

#include "base/chaos.h"
#include "base/party.h"
#include "sched/worker_inline.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

constexpr int kStealRounds = 4;
// So long a thief waits for what it has asked for.
constexpr Nanos kLongestAnswer = 3'000;
constexpr Nanos kNotWatched = 0;

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
  if (!haul_.begun()) haul_.begin(now());
  note_departure();
  return fiber;
}

Fiber* Worker::take_injected() noexcept {
  Fiber* fibers[kInjectedAtOnce];
  Injector<Fiber>& injector = scheduler_.injector();
  const std::size_t share = injector.size() / scheduler_.worker_count() + 1;
  const std::size_t most =
      chaos::strikes(chaos::Kind::kQueue, 1) ? 1 + chaos::below(4) : kInjectedAtOnce;
  // One to run now, and others as far as there is room: what does not fit would be sent back.
  const std::size_t room = std::size_t{1} + ring_.room();
  const std::size_t got = injector.pop(port_, fibers, std::min({share, most, room}));
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
  if (Fiber* const lone = take_lone(victim, now == kNotWatched || haul_.may_follow(now)))
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
    count = victim.spawned_.ask(taken, haul_.most(), [&] {
      cpu_relax();
      return now() - start < kLongestAnswer;
    });
  }
  if (count == 0) return nullptr;
  // A spawner that was queued behind its own has yet to do what it does in any case.
  const auto begin = taken.begin();
  const bool has_spawner = std::any_of(begin, begin + count, [](Fiber* f) { return f->started(); });
  haul_.take(has_spawner ? 0 : count, {victim.index_, birthplace(*taken[0])},
             stats_.fibers.ended.read());
  for (std::uint32_t i = 1; i < count; ++i) {
    if (!spawned_.push(taken[i], nullptr)) enqueue(*taken[i]);
  }
  return taken[0];
}

// Done with what it took last. If that was worth it, whose it was calls for more; and so does this
// one, where the spawner may be by now.
void Worker::weigh_haul() noexcept {
  if (haul_.pending() && haul_.weigh(now(), stats_.fibers.ended.read())) {
    const auto [victim, site] = haul_.origin();
    scheduler_.worker(victim).robbed_.store(site + 1, std::memory_order_relaxed);
    offers_.taken(site);
  }
}

[[gnu::noinline]] void Worker::note_companion(const Fiber& woken) noexcept {
  if (woken.home != this && haul_.brings(woken, stats_.fibers.ended.read())) weigh_haul();
}

// Whether it has had unstarted fibers to spare for so long that they are worth the way.
bool Worker::has_ripened(const Worker& victim, Nanos now) noexcept {
  if (victim.spawned_.count() < 2 || (now != kNotWatched && !haul_.may_follow(now))) return false;
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
