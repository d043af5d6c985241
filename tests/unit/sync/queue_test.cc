// Goal: queues give every item once, in their order; know when all is done; and end as they are
// told. Method: fibers on one worker for order; threads and several workers for conservation.

#include <weft/queue.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

const weft::Options kInOrder{.workers = 1, .fifo = true};

template <class Q>
std::vector<int> drained(Q& queue) {
  std::vector<int> all;
  while (auto item = queue.try_get()) all.push_back(*item);
  return all;
}

TEST(Queue, KeepsTheOrderOfItsKind) {
  weft::Queue<int> first;
  weft::LifoQueue<int> last;
  weft::PriorityQueue<int> least;
  weft::PriorityQueue<int, std::greater<>> greatest;
  for (const int item : {3, 1, 4, 1, 5}) {
    first.put(item);
    last.put(item);
    least.put(item);
    greatest.put(item);
  }
  EXPECT_EQ(first.size(), 5u);
  EXPECT_EQ(drained(first), (std::vector<int>{3, 1, 4, 1, 5}));
  EXPECT_EQ(drained(last), (std::vector<int>{5, 1, 4, 1, 3}));
  EXPECT_EQ(drained(least), (std::vector<int>{1, 1, 3, 4, 5}));
  EXPECT_EQ(drained(greatest), (std::vector<int>{5, 4, 3, 1, 1}));
  EXPECT_TRUE(first.empty());
}

TEST(Queue, CarriesMoveOnlyThings) {
  weft::Queue<std::unique_ptr<int>> queue;
  queue.put(std::make_unique<int>(2));
  EXPECT_EQ(*queue.get(), 2);
}

TEST(Queue, PutWaitsForRoomAndGetForAnItem) {
  weft::run(kInOrder, [] {
    weft::Queue<int> queue(2);
    std::string steps;
    const weft::Task<void> producer = weft::spawn([&] {
      for (int i = 0; i < 3; ++i) {
        queue.put(i);
        steps += 'p';
      }
    });
    for (int i = 0; i < 5; ++i) weft::yield();
    EXPECT_EQ(steps, "pp");
    EXPECT_TRUE(queue.full());
    EXPECT_FALSE(queue.try_put(9));
    EXPECT_EQ(queue.get(), 0);
    producer.join();
    EXPECT_EQ(drained(queue), (std::vector<int>{1, 2}));
    const weft::Task<int> consumer = weft::spawn([&] { return queue.get(); });
    weft::yield();
    queue.put(7);
    EXPECT_EQ(weft::shield(consumer), 7);
  });
}

TEST(Queue, JoinWaitsUntilAllIsDealtWith) {
  weft::run(kInOrder, [] {
    weft::Queue<int> queue;
    queue.join();
    queue.put(1);
    queue.put(2);
    bool joined = false;
    const weft::Task<void> waits = weft::spawn([&] {
      queue.join();
      joined = true;
    });
    for (int i = 0; i < 2; ++i) {
      queue.get();
      weft::yield();
      EXPECT_FALSE(joined);
      queue.task_done();
    }
    waits.join();
    EXPECT_THROW(queue.task_done(), std::logic_error);
  });
}

TEST(Queue, CancelledGetTakesNothing) {
  weft::run(kInOrder, [] {
    weft::Queue<int> queue;
    const auto get = [&] { return queue.get(); };
    weft::Task<int> first = weft::spawn(get), second = weft::spawn(get);
    weft::yield();
    queue.put(1);
    first.cancel();  // it has been told of the item, and has not run
    EXPECT_EQ(second.get(), 1);
    first.join();
    EXPECT_TRUE(first.cancelled());
    EXPECT_TRUE(queue.empty());
  });
}

TEST(Queue, ShutDownDrainsAndThenSaysSo) {
  weft::run(kInOrder, [] {
    weft::Queue<int> queue(1);
    queue.put(1);
    const weft::Task<void> producer =
        weft::spawn([&] { EXPECT_THROW(queue.put(2), weft::QueueShutDown); });
    weft::yield();
    queue.shutdown();
    producer.join();
    EXPECT_THROW(queue.put(3), weft::QueueShutDown);
    EXPECT_THROW((void)queue.try_put(3), weft::QueueShutDown);
    EXPECT_EQ(queue.get(), 1);
    EXPECT_THROW(queue.get(), weft::QueueShutDown);
    EXPECT_THROW((void)queue.try_get(), weft::QueueShutDown);
    queue.shutdown();
  });
}

TEST(Queue, ShutDownAtOnceLetsAllGo) {
  weft::run(kInOrder, [] {
    support::LiveCount live;
    weft::Queue<support::LiveCount::Token> queue, empty;
    for (int i = 0; i < 3; ++i) queue.put(live.token());
    const weft::Task<void> joins = weft::spawn([&] { queue.join(); });
    const weft::Task<void> gets =
        weft::spawn([&] { EXPECT_THROW(empty.get(), weft::QueueShutDown); });
    weft::yield();
    queue.shutdown(true);
    empty.shutdown();
    EXPECT_EQ(live.alive(), 0);
    joins.join();
    gets.join();
    EXPECT_THROW(queue.get(), weft::QueueShutDown);
  });
}

TEST(Queue, GivesEachItemOnceAmongFibersAndThreads) {
  weft::Runtime runtime;
  weft::Queue<int> queue(4);
  constexpr int kItems = 600;
  std::atomic<long> sum{0};
  const auto consume = [&] {
    try {
      for (;;) {
        sum += queue.get();
        queue.task_done();
      }
    } catch (const weft::QueueShutDown&) {
    }
  };
  {
    std::jthread one(consume), two(consume);
    std::vector<weft::Task<void>> tasks{runtime.post(consume), runtime.post(consume)};
    std::vector<weft::Task<void>> producers;
    for (int p = 0; p < 3; ++p) {
      producers.push_back(runtime.post([&, p] {
        for (int i = p; i < kItems; i += 3) queue.put(i);
      }));
    }
    for (const auto& producer : producers) producer.join();
    queue.join();
    queue.shutdown();
    for (const auto& task : tasks) task.join();
  }
  EXPECT_EQ(sum, static_cast<long>(kItems) * (kItems - 1) / 2);
}

// Cannot be moved while it is 13.
struct Reluctant {
  explicit Reluctant(int number) : value(number) {}
  Reluctant(Reluctant&& other) : value(other.value) {
    if (value == 13 && g_reluctant) throw std::runtime_error("13");
  }
  Reluctant& operator=(Reluctant&& other) = delete;
  int value;
  static inline bool g_reluctant = true;
};

TEST(Queue, WhatMovingAnItemThrowsLeavesTheRoomToAnother) {
  weft::run(kInOrder, [] {
    weft::Queue<Reluctant> queue(1);
    queue.put(Reluctant(0));
    const auto put = [&](int number) {
      return weft::spawn([&queue, number] {
        Reluctant item(number);
        queue.put(std::move(item));
      });
    };
    weft::Task<void> first = put(13), second = put(2);
    for (int i = 0; i < 3; ++i) weft::yield();
    EXPECT_EQ(queue.get().value, 0);
    EXPECT_EQ(weft::timeout(std::chrono::seconds(5), [&] { return queue.get().value; }), 2);
    EXPECT_THROW(first.get(), std::runtime_error);
    second.get();
  });
}

TEST(Queue, WhatMovingAnItemThrowsLeavesItToAnother) {
  weft::run(kInOrder, [] {
    weft::Queue<Reluctant> queue;
    const auto get = [&] { return weft::spawn([&] { return queue.get().value; }); };
    weft::Task<int> first = get(), second = get();
    for (int i = 0; i < 3; ++i) weft::yield();
    Reluctant::g_reluctant = false;
    queue.put(Reluctant(13));
    Reluctant::g_reluctant = true;
    EXPECT_THROW(first.get(), std::runtime_error);
    EXPECT_THROW(second.get(), std::runtime_error) << "it is told of the item, too";
    EXPECT_THROW(static_cast<void>(queue.try_get()), std::runtime_error);
    EXPECT_EQ(queue.size(), 1u);
    Reluctant::g_reluctant = false;
    EXPECT_EQ(queue.try_get()->value, 13);
    queue.task_done();
    queue.join();
    Reluctant::g_reluctant = true;
  });
}

// Compares so many times, and then no more.
struct Tiring {
  bool operator()(const std::unique_ptr<int>& left, const std::unique_ptr<int>& right) const {
    if (g_left-- == 0) throw std::runtime_error("tired");
    return *left < *right;
  }
  static inline int g_left = 1 << 20;
};

TEST(Queue, WhatAComparisonThrowsChangesNothing) {
  for (int strength = 0; strength < 60; ++strength) {
    weft::PriorityQueue<std::unique_ptr<int>, Tiring> queue;
    std::vector<int> put, got;
    const auto fail_or = [&](auto&& action) {
      Tiring::g_left = strength % 7;
      const std::size_t before = queue.size();
      try {
        action();
      } catch (const std::runtime_error&) {
        EXPECT_EQ(queue.size(), before);
      }
      Tiring::g_left = 1 << 20;
    };
    for (int i = 0; i < 40; ++i) {
      auto item = std::make_unique<int>((i * 37 + strength) % 41);
      const int value = *item;
      fail_or([&] { queue.put(std::move(item)); });
      if (item == nullptr) {
        put.push_back(value);
      } else {
        EXPECT_EQ(*item, value);
      }
      if (i % 3 == 0 && !queue.empty()) fail_or([&] { got.push_back(*queue.get()); });
    }
    const auto from = static_cast<std::ptrdiff_t>(got.size());
    while (auto item = queue.try_get()) got.push_back(**item);
    EXPECT_TRUE(std::is_sorted(got.begin() + from, got.end()));
    std::sort(put.begin(), put.end());
    std::sort(got.begin(), got.end());
    EXPECT_EQ(got, put);
  }
}

// Takes its time to be moved, so that the queue's lock is held.
struct Slow {
  Slow() = default;
  Slow(Slow&& /*other*/) {
    if (g_slow.exchange(false)) {
      g_moving = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  static inline std::atomic<bool> g_slow{false}, g_moving{false};
};

// As asyncio's, which cannot be cancelled: a consumer's scope guard calls it.
TEST(Queue, WhatDoesNotWaitIsNotCancelled) {
  weft::run(kInOrder, [] {
    weft::Queue<Slow> queue;
    queue.put(Slow());
    const Slow item = queue.get();
    static_cast<void>(item);
    Slow::g_slow = true;
    std::thread other([&] { queue.put(Slow()); });
    while (!Slow::g_moving) std::this_thread::yield();
    const weft::Task<void> self = weft::spawn([&] {
      weft::this_task::cancel();
      queue.task_done();
      queue.shutdown();
      EXPECT_EQ(queue.size(), 1u);
      EXPECT_THROW(weft::yield(), weft::Cancelled);
      throw weft::Cancelled();
    });
    self.join();
    other.join();
    EXPECT_TRUE(queue.try_get().has_value());
    queue.task_done();
    queue.join();
  });
}

}  // namespace
