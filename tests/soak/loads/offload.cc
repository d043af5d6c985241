// Calls on the blocking pool, with results, failures and callers that do not wait for the end; and
// names, which are looked up there.

#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

void call(Ledger& ledger, Random& random) {
  Ledger::Token call(ledger, Book::kCalls);
  const int pause = random.below(300);
  const bool fails = random.one_in(4);
  const int value = random.below(1000);
  auto work = [call = std::move(call), pause, fails, value] {
    std::this_thread::sleep_for(Micros(pause));
    if (fails) throw std::runtime_error("on purpose, on a thread");
    return value;
  };
  try {
    if (random.one_in(3)) {
      const int got =
          weft::timeout(some_micros(random, 300), [&] { return weft::to_thread(std::move(work)); });
      ledger.expect(got == value, "to_thread gives another call's result");
    } else {
      ledger.expect(weft::to_thread(std::move(work)) == value,
                    "to_thread gives another call's result");
    }
  } catch (const weft::TimeoutError&) {
  } catch (const std::runtime_error&) {
    ledger.expect(fails, "to_thread throws what nobody threw");
  }
}

void look_up(Ledger& ledger, Random& random) {
  constexpr const char* kHosts[] = {"localhost", "127.0.0.1", "::1"};
  try {
    const auto found = weft::timeout(Micros(random.one_in(4) ? 200 : 10'000'000),
                                     [&] { return weft::resolve(kHosts[random.below(3)], 80); });
    ledger.expect(!found.empty() && found.front().port() == 80, "localhost is not found");
  } catch (const weft::TimeoutError&) {
  }
}

}  // namespace

void offload(Scene& scene) {
  std::vector<weft::Task<void>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(
        start(scene.ledger, [&ledger = scene.ledger, random = scene.random.split()]() mutable {
          for (int turn = 0; turn < scaled(50); ++turn) {
            if (random.one_in(5)) {
              look_up(ledger, random);
            } else {
              call(ledger, random);
            }
          }
        }));
  }
  for (auto& task : tasks) see(scene.ledger, task);
}

}  // namespace soak
