// Exceptions that are caught, kept across waits, thrown again, and lost. The lost ones come back
// through the round's handler.

#include <exception>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

/// A handler that waits must find its own exception again.
void rethrow_after_a_wait(Ledger& ledger, Random& random) {
  const std::string text = std::to_string(random.next());
  try {
    try {
      throw std::runtime_error(text);
    } catch (const std::runtime_error&) {
      weft::sleep_for(some_micros(random, 50));
      try {
        fail(ledger);
      } catch (const Failure& failure) {
        weft::yield();
        failure.seen();
      }
      throw;
    }
  } catch (const std::runtime_error& error) {
    ledger.expect(error.what() == text, "a fiber caught another one's exception");
  }
  ledger.expect(std::uncaught_exceptions() == 0, "an exception in flight that nobody threw");
}

void read_without_throwing(Ledger& ledger) {
  auto task = start(ledger, [&ledger] { fail(ledger); });
  task.join();
  try {
    std::rethrow_exception(task.exception());
  } catch (const Failure& failure) {
    failure.seen();
  }
  ledger.out(Book::kOutcomes);
}

void suffer(Ledger& ledger, Random& random) {
  switch (random.below(3)) {
    case 0:
      rethrow_after_a_wait(ledger, random);
      break;
    case 1:
      read_without_throwing(ledger);
      break;
    default:
      weft::spawn(counted(ledger, [&ledger] { fail(ledger); }));
      weft::yield();
  }
}

}  // namespace

void exceptions(Scene& scene) {
  std::vector<weft::Task<void>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(
        start(scene.ledger, [&ledger = scene.ledger, random = scene.random.split()]() mutable {
          for (int turn = 0; turn < scaled(200); ++turn) suffer(ledger, random);
        }));
  }
  for (auto& task : tasks) see(scene.ledger, task);
}

}  // namespace soak
