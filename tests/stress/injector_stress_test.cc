// Goal: with many producers and consumers every item comes out once, and whoever reads that the
// count is zero after the last push has returned may rely on it: nothing is inside. Method:
// producers through ports, in batches, and from outside; consumers that stop only on that reading.

// GCC 12 imagines a producer that is null somewhere inside moodycamel's queue.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "sched/injector.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"

namespace weft::detail {
namespace {

struct Item {
  int made = 0;  // plain: published by the push
  Atomic<int> taken{0};
};

class InjectorStress : public testing::Test {
 protected:
  using Queue = Injector<Item>;

  static constexpr std::size_t kMostAtOnce = 32;

  static std::size_t some(support::Random& random) {
    return static_cast<std::size_t>(1 + random.below(kMostAtOnce));
  }

  // Batches of random size through a port of its own.
  void produce_as_worker(std::size_t first, std::size_t count) {
    support::Random random(first);
    Queue::Port port(queue_);
    for (std::size_t made = 0; made < count;) {
      Item* batch[kMostAtOnce];
      const auto size = std::min(count - made, some(random));
      for (std::size_t i = 0; i < size; ++i) batch[i] = &make(first + made + i);
      queue_.push(port, batch, size);
      made += size;
    }
  }

  void produce_from_outside(std::size_t first, std::size_t count) {
    for (std::size_t i = first; i < first + count; ++i) queue_.push(&make(i));
  }

  // Until all producers are done and the count reads zero, as a worker decides to sleep.
  void consume(std::uint64_t stream) {
    support::Random random(stream);
    Queue::Port port(queue_);
    Item* out[kMostAtOnce];
    for (;;) {
      const bool last_look = producing_.load() == 0;
      if (!queue_.maybe_has_items() && last_look) return;
      const std::size_t got = queue_.pop(port, out, some(random));
      // Raised late, the count would fall below zero when an item comes out early.
      EXPECT_LE(queue_.size(), items_.size());
      for (std::size_t i = 0; i < got; ++i) {
        EXPECT_EQ(out[i]->made, 1);
        EXPECT_EQ(out[i]->taken.fetch_add(1, std::memory_order_relaxed), 0) << "came out twice";
      }
    }
  }

  Item& make(std::size_t index) {
    items_[index].made = 1;
    return items_[index];
  }

  Queue queue_;
  std::vector<Item> items_;
  Atomic<int> producing_{0};
};

TEST_F(InjectorStress, EveryItemComesOutOnceAndAnEmptyCountMeansEmpty) {
  constexpr int kWorkers = 2;
  constexpr int kOutside = 2;
  constexpr int kConsumers = 3;
  const auto each = static_cast<std::size_t>(support::scaled(100'000));
  support::Watchdog watchdog("injector", std::chrono::seconds(30),
                             [this] { return std::to_string(queue_.size()) + " counted inside"; });
  for (int round = 0; round < 10; ++round) {
    items_ = std::vector<Item>(each * (kWorkers + kOutside));
    producing_ = kWorkers + kOutside;
    std::vector<std::thread> threads;
    for (int i = 0; i < kWorkers + kOutside; ++i) {
      threads.emplace_back([&, i] {
        const std::size_t first = static_cast<std::size_t>(i) * each;
        if (i < kWorkers) {
          produce_as_worker(first, each);
        } else {
          produce_from_outside(first, each);
        }
        producing_.fetch_sub(1);
      });
    }
    for (int i = 0; i < kConsumers; ++i) {
      threads.emplace_back([&, i] { consume(static_cast<std::uint64_t>(i)); });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(queue_.size(), 0u);
    for (const Item& item : items_) ASSERT_EQ(item.taken.load(), 1);
    watchdog.progress();
  }
}

}  // namespace
}  // namespace weft::detail
