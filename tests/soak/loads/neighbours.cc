// Runtimes that start and stop beside the round's, and share events, mutexes and tasks with it.

#include <deque>
#include <mutex>

#include "soak/load.h"

namespace soak {

namespace {

/// What fibers of both runtimes touch.
struct Border {
  weft::Mutex mutex;
  std::uint64_t entries = 0;  // under mutex
};

void cross(Ledger& ledger, Border& border) {
  const std::lock_guard lock(border.mutex);
  ledger.in(Book::kLocks);
  ++border.entries;
  weft::yield();
}

int visit(Ledger& ledger, Random random, Border& border, weft::Runtime& host) {
  auto local = start(ledger, [&] {
    for (int turn = 0; turn < 20; ++turn) cross(ledger, border);
  });
  // A task over there, waited for from here.
  weft::Event arrived;
  auto abroad = host.post(counted(ledger, [&ledger, &border, &arrived] {
    arrived.set();
    cross(ledger, border);
  }));
  ledger.in(Book::kOutcomes);
  arrived.wait();
  see(ledger, abroad);
  if (random.one_in(3)) {
    weft::spawn(counted(ledger, [] { support::sleep_forever(); }));  // left to the end
  }
  see(ledger, local);
  return 1;
}

}  // namespace

void neighbours(Scene& scene) {
  Ledger& ledger = scene.ledger;
  Border border;
  std::deque<PlainThread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, random = scene.random.split()]() mutable {
      for (int turn = 0; turn < scaled(20); ++turn) {
        const weft::Options options{.workers = 1u + static_cast<unsigned>(random.below(2)),
                                    .name = "beside"};
        ledger.in(Book::kItems);
        const int visits = weft::run(options, [&, of_visit = random.split()] {
          return visit(ledger, of_visit, border, scene.runtime);
        });
        ledger.out(Book::kItems, static_cast<std::uint64_t>(visits));
      }
    });
  }
  for (int turn = 0; turn < scaled(200); ++turn) cross(ledger, border);
  for (auto& thread : threads) thread.join();
  ledger.out(Book::kLocks, border.entries);
}

}  // namespace soak
