// Semaphores, fair and shared locks and queues, under time limits: permits, locks and items are
// conserved.

#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

constexpr std::size_t kPermits = 3;

struct Shop {
  weft::BoundedSemaphore permits{kPermits};
  std::atomic<int> inside{0};
  weft::FairMutex fair;
  std::uint64_t entries = 0;  // under fair, and plain
  weft::SharedMutex shared;
  std::uint64_t written = 0;  // under shared, and plain
  weft::Queue<std::uint64_t> queue{4};
};

/// May be stopped at any wait.
void visit(Ledger& ledger, Random& random, Shop& shop) {
  switch (random.below(5)) {
    case 0: {
      const auto permit = shop.permits.hold();
      ledger.expect(++shop.inside <= static_cast<int>(kPermits), "more inside than permits");
      struct Leave {
        std::atomic<int>& count;
        ~Leave() { --count; }
      } leave{shop.inside};
      if (random.one_in(2)) weft::sleep_for(some_micros(random, 50));
      break;
    }
    case 1: {
      const std::lock_guard lock(shop.fair);
      ledger.in(Book::kLocks);
      ++shop.entries;
      if (random.one_in(4)) weft::yield();
      break;
    }
    case 2: {
      const std::unique_lock lock(shop.shared);
      ledger.in(Book::kLocks);
      ++shop.written;
      break;
    }
    case 3: {
      const std::shared_lock lock(shop.shared);
      const std::uint64_t seen = shop.written;
      if (random.one_in(2)) weft::yield();
      ledger.expect(seen == shop.written, "a reader has seen a writer");
      break;
    }
    default: {
      const auto item = 1 + static_cast<std::uint64_t>(random.below(9));
      shop.queue.put(item);
      ledger.in(Book::kItems, item);
    }
  }
}

void visit_for_a_while(Ledger& ledger, Random& random, Shop& shop) {
  try {
    weft::timeout(some_micros(random, 500), [&] { visit(ledger, random, shop); });
  } catch (const weft::TimeoutError&) {
  }
}

void work_off(Ledger& ledger, Shop& shop) {
  try {
    for (;;) {
      ledger.out(Book::kItems, shop.queue.get());
      shop.queue.task_done();
    }
  } catch (const weft::QueueShutDown&) {
  }
}

}  // namespace

void permits(Scene& scene) {
  Ledger& ledger = scene.ledger;
  Shop shop;
  std::vector<weft::Task<void>> workers;
  std::vector<weft::Task<void>> visitors;
  for (int i = 0; i < 2; ++i) workers.push_back(start(ledger, [&] { work_off(ledger, shop); }));
  for (int i = 0; i < 8; ++i) {
    visitors.push_back(start(ledger, [&, random = scene.random.split()]() mutable {
      for (int turn = 0; turn < scaled(200); ++turn) {
        if (random.one_in(2)) {
          visit(ledger, random, shop);
        } else {
          visit_for_a_while(ledger, random, shop);
        }
      }
    }));
  }
  for (auto& visitor : visitors) see(ledger, visitor);
  shop.queue.join();
  shop.queue.shutdown();
  for (auto& worker : workers) see(ledger, worker);
  ledger.out(Book::kLocks, shop.entries + shop.written);
  ledger.expect(shop.permits.available() == kPermits, "a permit is lost");
}

}  // namespace soak
