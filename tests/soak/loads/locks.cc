// Mutexes that fibers and plain threads fight for: what they guard counts as many critical sections
// as there were.

#include <deque>
#include <mutex>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

struct Guarded {
  weft::Mutex mutex;
  std::uint64_t entries = 0;  // under mutex, and plain
};

void enter(Ledger& ledger, Guarded& guarded) {
  ledger.in(Book::kLocks);
  ++guarded.entries;
}

/// May be told to stop, by its own timeout; never holds anything then.
void fight(Ledger& ledger, Random& random, Guarded& one, Guarded& other) {
  switch (random.below(5)) {
    case 0: {
      const std::scoped_lock both(one.mutex, other.mutex);
      enter(ledger, one);
      enter(ledger, other);
      break;
    }
    case 1:
      if (one.mutex.try_lock()) {
        const std::lock_guard lock(one.mutex, std::adopt_lock);
        enter(ledger, one);
      }
      break;
    case 2:
      try {
        weft::timeout(some_micros(random, 300), [&] {
          const std::lock_guard lock(one.mutex);
          enter(ledger, one);
          if (random.one_in(4)) weft::yield();
        });
      } catch (const weft::TimeoutError&) {
      }
      break;
    default: {
      const std::lock_guard lock(one.mutex);
      enter(ledger, one);
      if (random.one_in(16)) weft::sleep_for(some_micros(random, 100));
      if (random.one_in(8)) weft::yield();
    }
  }
}

}  // namespace

void locks(Scene& scene) {
  Ledger& ledger = scene.ledger;
  Guarded first, second;
  std::vector<weft::Task<void>> fighters;
  for (int i = 0; i < 8; ++i) {
    fighters.push_back(start(ledger, [&, random = scene.random.split()]() mutable {
      for (int turn = 0; turn < scaled(500); ++turn) {
        if (random.one_in(2)) {
          fight(ledger, random, first, second);
        } else {
          fight(ledger, random, second, first);
        }
      }
    }));
  }
  std::deque<PlainThread> threads;
  for (int i = scene.random.below(3); i > 0; --i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < scaled(500); ++turn) {
        const std::lock_guard lock(first.mutex);
        enter(ledger, first);
      }
    });
  }
  for (auto& fighter : fighters) see(ledger, fighter);
  for (auto& thread : threads) thread.join();
  ledger.out(Book::kLocks, first.entries + second.entries);
}

}  // namespace soak
