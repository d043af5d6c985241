// Goal: whoever pushes, pops, turns groups around, asks, withdraws and takes by force at the same
// time, every item comes out exactly once. Method: one owner and three thieves, over rings so small
// that they are full, empty and turned over all the time, and over a larger one; with the barrier
// on all threads where there is one, and without. Items carry plain memory whose publication the
// thread sanitizer checks.

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "base/membarrier.h"
#include "sched/spawn_deque.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"

namespace weft::detail {
namespace {

struct Item {
  int made = 0;  // plain: written before the push, read after the pop
  Atomic<int> taken{0};
};

template <std::uint32_t kCapacity>
class Game {
 public:
  Game(int items, bool with_barrier)
      : items_(static_cast<std::size_t>(items)), with_barrier_(with_barrier) {
    deque_.have_barrier(with_barrier);
  }

  // Returns how many were stolen.
  std::int64_t play(int thieves) {
    const support::Watchdog watchdog("spawn deque", std::chrono::seconds(30), [this] {
      return std::to_string(left_.load()) + " items have not come out";
    });
    left_.store(static_cast<std::int64_t>(items_.size()));
    std::vector<std::thread> threads;
    for (int i = 0; i < thieves; ++i) threads.emplace_back([this] { steal(); });
    own();
    for (std::thread& thread : threads) thread.join();
    for (const Item& item : items_) EXPECT_EQ(item.taken.load(), 1);
    EXPECT_TRUE(deque_.empty());
    return stolen_.load();
  }

 private:
  void own() {
    support::Random random(1);
    std::size_t next = 0;
    const auto make = [&]() -> Item* {
      if (next == items_.size()) return nullptr;
      items_[next].made = 1;
      return &items_[next++];
    };
    while (left_.load(std::memory_order_relaxed) > 0) {
      Item* const spawner = make();
      for (int burst = random.below(static_cast<int>(kCapacity) + 1); burst > 0; --burst) {
        Item* const item = make();
        if (item != nullptr && !deque_.push(item, spawner)) take(item);
      }
      take(deque_.pop());
      if (spawner != nullptr && !deque_.push_behind_group(spawner)) take(spawner);
      for (int burst = random.below(static_cast<int>(kCapacity)); burst > 0; --burst) {
        take(deque_.pop());
      }
    }
  }
  void steal() {
    support::Random random(2);
    std::int64_t stolen = 0;
    typename Deque::Batch batch;
    while (left_.load(std::memory_order_relaxed) > 0) {
      // A barrier on all threads takes so long that the owner would be alone for most of the time.
      const bool by_force = random.below(with_barrier_ ? 64 : 4) == 0;
      int looks = random.below(64);
      const std::uint32_t count =
          by_force ? deque_.force(batch) : deque_.ask(batch, 1 + random.below(8), [&] {
            cpu_relax();
            return --looks > 0;
          });
      for (std::uint32_t i = 0; i < count; ++i) stolen += take(batch[i]) ? 1 : 0;
    }
    stolen_.fetch_add(stolen);
  }
  bool take(Item* item) {
    if (item == nullptr) return false;
    EXPECT_EQ(item->made, 1);
    EXPECT_EQ(item->taken.fetch_add(1, std::memory_order_relaxed), 0) << "came out twice";
    left_.fetch_sub(1, std::memory_order_relaxed);
    return true;
  }

  using Deque = SpawnDeque<Item, kCapacity>;

  std::vector<Item> items_;
  const bool with_barrier_;
  Deque deque_;
  Atomic<std::int64_t> left_{0};
  Atomic<std::int64_t> stolen_{0};
};

void play(bool with_barrier) {
  Game<2>(support::scaled(300'000), with_barrier).play(3);
  Game<2>(support::scaled(300'000), with_barrier).play(1);
  EXPECT_GT(Game<8>(support::scaled(600'000), with_barrier).play(3), 0);
  EXPECT_GT(Game<8>(support::scaled(600'000), with_barrier).play(1), 0);
  EXPECT_GT(Game<256>(support::scaled(1'200'000), with_barrier).play(3), 0);
}

TEST(SpawnDequeStress, EveryItemHasOneTaker) { play(false); }

TEST(SpawnDequeStress, AndWithABarrierOnAllThreads) {
  // The thread sanitizer does not know it.
  if (support::kThreadSanitizer || !prepare_barrier_on_all_threads()) GTEST_SKIP();
  play(true);
}

}  // namespace
}  // namespace weft::detail
