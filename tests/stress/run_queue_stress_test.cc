// Goal: whoever pushes, pops, spills and steals at the same time, every item comes out exactly
// once. Method: threads that own a ring each and rob one another, over rings so small that they are
// full, empty and turned over all the time, and over one of the real size. Items are counted as
// they come out, and carry plain memory whose publication the thread sanitizer checks.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "sched/run_queue.h"
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
class Players {
  using Queue = RunQueue<Item, kCapacity>;

 public:
  Players(std::size_t items, std::size_t players)
      : items_(items), queues_(std::make_unique<Queue[]>(players)), players_(players) {}

  // Everybody makes its share of the items, and takes what it finds, until none is left.
  void play(std::size_t makers) {
    support::Watchdog watchdog("run queues", std::chrono::seconds(30), [this] {
      return std::to_string(left_.load()) + " items have not come out";
    });
    left_.store(static_cast<std::int64_t>(items_.size()));
    std::vector<std::thread> threads;
    for (std::size_t player = 0; player < players_; ++player) {
      threads.emplace_back([this, player, makers] {
        const std::size_t share = player < makers ? items_.size() / makers : 0;
        play_one(player, player * share, share);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Item& item : items_) ASSERT_EQ(item.taken.load(), 1);
    for (std::size_t player = 0; player < players_; ++player) {
      EXPECT_TRUE(queues_[player].empty());
    }
  }

  std::uint64_t steals() const { return steals_.load(); }

 private:
  void play_one(std::size_t player, std::size_t next, std::size_t share) {
    support::Random random(player);
    Queue& own = queues_[player];
    const std::size_t end = next + share;
    std::int64_t taken = 0;
    while (left_.load(std::memory_order_relaxed) - taken > 0) {
      for (int burst = random.below(2 * static_cast<int>(kCapacity)); burst > 0 && next < end;
           --burst) {
        taken += make(own, items_[next++]);
      }
      for (int burst = random.below(static_cast<int>(kCapacity)); burst > 0; --burst) {
        taken += take(own.pop());
      }
      if (players_ > 1 && own.empty()) {
        taken += rob(
            own, queues_[(player + 1 + random.below(static_cast<int>(players_) - 1)) % players_]);
      }
      if (taken > 1000 || next == end) {
        left_.fetch_sub(taken);
        taken = 0;
      }
    }
    left_.fetch_sub(taken);
  }

  // Pushes; of a full ring the older half is spilt, that is, taken at once.
  std::int64_t make(Queue& own, Item& item) {
    item.made = 1;
    std::int64_t spilt = 0;
    while (!own.push(&item)) {
      std::array<Item*, Queue::kHalf> older;
      const std::uint32_t count = own.take_half(older);
      for (std::uint32_t i = 0; i < count; ++i) spilt += take(older[i]);
    }
    return spilt;
  }

  std::int64_t rob(Queue& own, Queue& victim) {
    Item* const first = own.steal_from(victim, true);
    if (first == nullptr) return 0;
    steals_.fetch_add(1, std::memory_order_relaxed);
    return take(first);
  }

  static std::int64_t take(Item* item) {
    if (item == nullptr) return 0;
    EXPECT_EQ(item->made, 1);
    EXPECT_EQ(item->taken.fetch_add(1, std::memory_order_relaxed), 0) << "came out twice";
    return 1;
  }

  std::vector<Item> items_;
  const std::unique_ptr<Queue[]> queues_;
  const std::size_t players_;
  Atomic<std::int64_t> left_{0};
  Atomic<std::uint64_t> steals_{0};
};

std::size_t amount(int full) { return static_cast<std::size_t>(support::scaled(full)) / 12 * 12; }

TEST(RunQueueStress, OneOwnerAndThreeThieves) {
  Players<8> small(amount(1'200'000), 4);
  small.play(1);
  EXPECT_GT(small.steals(), 0u);
  Players<256> real(amount(2'400'000), 4);
  real.play(1);
  EXPECT_GT(real.steals(), 0u);
}

TEST(RunQueueStress, EverybodyRobsEverybody) {
  Players<2> tiny(amount(600'000), 4);
  tiny.play(4);
  Players<8> small(amount(1'200'000), 4);
  small.play(4);
  EXPECT_GT(small.steals(), 0u);
}

}  // namespace
}  // namespace weft::detail
