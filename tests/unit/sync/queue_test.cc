// Goal: queues give every item once, in their order; know when all is done; and end as they are
// told. Method: fibers on one worker for order; threads and several workers for conservation.

#include <weft/queue.h>

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
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

}  // namespace
