// Plain threads that use the runtime from outside: run, post, and wait for, join and cancel tasks.

#include <deque>

#include "soak/load.h"

namespace soak {

namespace {

void use_runtime(Ledger& ledger, Random& random, weft::Runtime& runtime) {
  switch (random.below(4)) {
    case 0: {
      const int value = random.below(1000);
      ledger.expect(runtime.run(counted(ledger,
                                        [value] {
                                          weft::yield();
                                          return value;
                                        })) == value,
                    "run gives another task's result");
      break;
    }
    case 1:
      try {
        runtime.run(counted(ledger, [&ledger] { fail(ledger); }));
        ledger.wrong("run loses an exception");
      } catch (const Failure& failure) {
        failure.seen();
      }
      break;
    case 2: {
      auto task = runtime.post(counted(ledger, [] { support::sleep_forever(); }));
      ledger.in(Book::kOutcomes);
      task.cancel();
      ledger.expect(see(ledger, task) == End::kCancelled, "a cancelled task ends otherwise");
      break;
    }
    default: {
      auto task = runtime.post(counted(ledger, [] { weft::yield(); }));
      ledger.in(Book::kOutcomes);
      task.join();
      see(ledger, task);
    }
  }
}

}  // namespace

void outsiders(Scene& scene) {
  std::deque<PlainThread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, random = scene.random.split()]() mutable {
      for (int turn = 0; turn < scaled(500); ++turn) {
        use_runtime(scene.ledger, random, scene.runtime);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace soak
