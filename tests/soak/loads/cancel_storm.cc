// Cancellations that rain on tasks in all kinds of waits. Each victim ends once, and whatever it
// held is free afterwards.

#include <memory>
#include <mutex>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

/// What the victims of a storm wait for. They may be the last to hold it.
struct Field {
  weft::Mutex mutex;
  weft::Event never;
  int holders = 0;  // under mutex
};

void wait_somehow(Ledger& ledger, Random& random, Field& field) {
  switch (random.below(7)) {
    case 0:
      weft::sleep_for(some_micros(random, 500));
      break;
    case 1: {
      const std::lock_guard lock(field.mutex);
      ledger.expect(++field.holders == 1, "two hold a mutex");
      try {
        weft::sleep_for(some_micros(random, 50));
      } catch (...) {
        --field.holders;
        throw;
      }
      --field.holders;
      break;
    }
    case 2:
      field.never.wait();
      break;
    case 3: {
      auto child = start(ledger, [] { support::sleep_forever(); });
      if (random.one_in(2)) child.cancel();
      // Cancelled here, the caller passes it on to the child.
      const End end = see(ledger, child);
      ledger.expect(end == End::kCancelled, "a cancelled sleeper ends otherwise");
      break;
    }
    case 4:
      weft::to_thread([call = Ledger::Token(ledger, Book::kCalls)] { std::this_thread::yield(); });
      break;
    case 5:
      try {
        weft::timeout(some_micros(random, 200), [] { support::sleep_forever(); });
      } catch (const weft::TimeoutError&) {
      }
      break;
    default:
      weft::yield();
  }
}

void storm(Scene& scene) {
  Ledger& ledger = scene.ledger;
  const auto field = std::make_shared<Field>();
  std::vector<weft::Task<void>> victims, cancellers;
  for (int i = 0; i < 24; ++i) {
    victims.push_back(start(ledger, [&ledger, field, random = scene.random.split()]() mutable {
      for (;;) {
        try {
          wait_somehow(ledger, random, *field);
        } catch (const weft::Cancelled&) {
          if (random.one_in(4)) throw;  // the others go on until they meet a milder moment
          if (random.one_in(4)) return;
        }
      }
    }));
  }
  for (int i = 0; i < 3; ++i) {
    cancellers.push_back(start(ledger, [&victims, random = scene.random.split()]() mutable {
      for (bool any = true; any;) {
        any = false;
        for (weft::Task<void>& victim : victims) {
          if (!victim.done()) any = true;
          if (random.one_in(3)) victim.cancel();
        }
        weft::sleep_for(some_micros(random, 100));
      }
    }));
  }
  for (auto& canceller : cancellers) see(ledger, canceller);
  for (auto& victim : victims) see(ledger, victim);
  ledger.expect(field->holders == 0 && field->mutex.try_lock(), "a mutex is held by the dead");
  field->mutex.unlock();
}

}  // namespace

void cancel_storm(Scene& scene) {
  for (int i = 0; i < scaled(20); ++i) storm(scene);
}

}  // namespace soak
