// Nested timeouts that expire, do not, are moved, and collide.

#include <optional>
#include <stdexcept>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

using support::Clock;

void linger(Random& random) {
  switch (random.below(4)) {
    case 0:
      weft::yield();
      break;
    case 1:
      weft::sleep_for(some_micros(random, 100));
      break;
    case 2:
      weft::sleep_for(some_micros(random, 2000));
      break;
    default:
      weft::Event().wait();  // only the scope ends it
  }
}

void nest(Ledger& ledger, Random& random, int depth) {
  const Ledger::Token wait(ledger, Book::kWaits);
  const Clock::time_point begun = Clock::now();
  std::optional<Clock::time_point> limit = begun + some_micros(random, 3000);
  try {
    weft::timeout_at(*limit, [&](weft::TimeoutScope& scope) {
      if (random.one_in(4) && !scope.expired()) {
        limit = begun + some_micros(random, 3000);
        try {
          scope.reschedule(*limit);
        } catch (const std::logic_error&) {
          limit = begun;  // it was faster
        }
      }
      if (depth > 0) nest(ledger, random, depth - 1);
      linger(random);
    });
  } catch (const weft::TimeoutError&) {
    ledger.expect(Clock::now() >= *limit, "a timeout expired early");
  }
}

}  // namespace

void timeouts(Scene& scene) {
  std::vector<weft::Task<void>> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(
        start(scene.ledger, [&ledger = scene.ledger, random = scene.random.split()]() mutable {
          for (int turn = 0; turn < scaled(40); ++turn) {
            nest(ledger, random, random.below(4));
            ledger.expect(weft::this_task::cancelling() == 0, "a timeout leaves a request behind");
          }
        }));
  }
  for (auto& task : tasks) {
    scene.ledger.expect(see(scene.ledger, task) == End::kValue,
                        "a timeout's cancellation leaves its scope");
  }
}

}  // namespace soak
