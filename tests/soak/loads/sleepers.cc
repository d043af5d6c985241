// Sleeps, yields, and pins: nobody wakes early, and who is pinned stays on its thread.

#include <vector>

#include "soak/load.h"
#include "support/process_state.h"

namespace soak {

namespace {

using support::Clock;

void sleep(Ledger& ledger, Random& random) {
  const Clock::time_point until = Clock::now() + some_micros(random, 2000);
  const Ledger::Token wait(ledger, Book::kWaits);
  if (random.one_in(2)) {
    weft::sleep_until(until);
  } else {
    weft::sleep_for(until - Clock::now());
  }
  ledger.expect(Clock::now() >= until, "a sleeper woke early");
}

void stay(Ledger& ledger, Random& random) {
  const weft::PinScope pin;
  const int thread = support::thread_id();
  for (int turn = 0; turn < 10; ++turn) {
    if (random.one_in(2)) {
      weft::yield();
    } else {
      weft::sleep_for(some_micros(random, 50));
    }
    const weft::PinScope nested;
    ledger.expect(support::thread_id() == thread, "a pinned fiber has changed its thread");
  }
}

}  // namespace

void sleepers(Scene& scene) {
  std::vector<weft::Task<void>> tasks;
  for (int i = 0; i < scaled(200); ++i) {
    tasks.push_back(
        start(scene.ledger, [&ledger = scene.ledger, random = scene.random.split()]() mutable {
          for (int turn = 0; turn < 30; ++turn) {
            if (random.one_in(10)) {
              stay(ledger, random);
            } else if (random.one_in(2)) {
              sleep(ledger, random);
            } else {
              weft::yield();
            }
          }
        }));
  }
  for (auto& task : tasks) see(scene.ledger, task);
}

}  // namespace soak
