// Goal: a descriptor has one owner at a time, comes back for the next, keeps its epoch, and its
// memory is never anything else. Method: the process-wide pool and caches over it. Other tests of
// this binary leave descriptors in the pool, so tests compare with what was there before.

#include "fiber/fiber_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <thread>
#include <vector>

#include "support/build_kind.h"

namespace weft::detail {
namespace {

std::vector<Fiber*> chain_of(Fiber* first) {
  std::vector<Fiber*> chain;
  for (Fiber* fiber = first; fiber != nullptr; fiber = fiber->next) chain.push_back(fiber);
  return chain;
}

// Takes `count` descriptors, however many calls that takes.
std::vector<Fiber*> take_exactly(std::size_t count) {
  std::vector<Fiber*> all;
  while (all.size() < count) {
    for (Fiber* fiber : chain_of(FiberPool::instance().take(count - all.size()))) {
      all.push_back(fiber);
    }
  }
  return all;
}

void give_all(const std::vector<Fiber*>& fibers) {
  for (Fiber* fiber : fibers) FiberPool::instance().give(fiber, fiber);
}

TEST(FiberPool, GivesAChainOfAtLeastOneAndAtMostAsManyAsAsked) {
  for (const std::size_t asked : {1u, 2u, 100u, 1000u}) {
    const std::vector<Fiber*> chain = chain_of(FiberPool::instance().take(asked));
    EXPECT_GE(chain.size(), 1u);
    EXPECT_LE(chain.size(), asked);
    FiberPool::instance().give(chain.front(), chain.back());
  }
}

TEST(FiberPool, NoDescriptorIsOutTwice) {
  const std::vector<Fiber*> first = take_exactly(300);
  const std::vector<Fiber*> second = take_exactly(300);
  std::set<Fiber*> all(first.begin(), first.end());
  all.insert(second.begin(), second.end());
  EXPECT_EQ(all.size(), 600u);
  give_all(first);
  give_all(second);
}

TEST(FiberPool, VeryManyAreDistinctAndAllAreVisited) {
  const std::vector<Fiber*> taken = take_exactly(20'000);
  const std::set<Fiber*> distinct(taken.begin(), taken.end());
  EXPECT_EQ(distinct.size(), taken.size());
  for (const Fiber* fiber : taken) {
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(fiber) % alignof(Fiber), 0u);
  }
  std::size_t visited = 0;
  FiberPool::instance().for_each([&](Fiber& fiber) { visited += distinct.count(&fiber); });
  EXPECT_EQ(visited, taken.size());
  EXPECT_GE(FiberPool::instance().capacity(), taken.size());
  give_all(taken);
}

TEST(FiberPool, DescriptorsThatCameBackAreUsedBeforeNewOnesAreMade) {
  give_all(take_exactly(1000));
  const std::size_t capacity = FiberPool::instance().capacity();
  for (int round = 0; round < 10; ++round) give_all(take_exactly(1000));
  EXPECT_EQ(FiberPool::instance().capacity(), capacity);
}

TEST(FiberPool, GivesBackAWholeChainAtOnce) {
  give_all(take_exactly(100));
  const std::size_t capacity = FiberPool::instance().capacity();
  for (int round = 0; round < 10; ++round) {
    const std::vector<Fiber*> chain = chain_of(FiberPool::instance().take(50));
    FiberPool::instance().give(chain.front(), chain.back());
  }
  EXPECT_EQ(FiberPool::instance().capacity(), capacity);
}

TEST(FiberPool, DescriptorsHaveCacheLinesOfTheirOwn) {
  const std::vector<Fiber*> fibers = take_exactly(200);
  for (const Fiber* fiber : fibers) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(fiber) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(fiber->local) % 16, 0u);
  }
  give_all(fibers);
}

TEST(FiberPool, WalkVisitsEveryDescriptorOnceFreeOrNot) {
  const std::vector<Fiber*> held = take_exactly(150);
  std::multiset<const Fiber*> seen;
  FiberPool::instance().for_each([&](Fiber& fiber) { seen.insert(&fiber); });
  EXPECT_EQ(seen.size(), FiberPool::instance().capacity());
  EXPECT_EQ(std::set<const Fiber*>(seen.begin(), seen.end()).size(), seen.size());
  for (const Fiber* fiber : held) EXPECT_EQ(seen.count(fiber), 1u);
  give_all(held);
}

TEST(FiberPool, DescriptorKeepsItsEpochFromUseToUse) {
  std::vector<Fiber*> fibers = take_exactly(10);
  for (Fiber* fiber : fibers) fiber->word.reset();
  std::vector<std::pair<Fiber*, Epoch>> before;
  for (Fiber* fiber : fibers) before.emplace_back(fiber, fiber->word.epoch());
  give_all(fibers);
  const std::vector<Fiber*> again = take_exactly(10);
  for (const auto& [fiber, epoch] : before) EXPECT_EQ(fiber->word.epoch(), epoch);
  give_all(again);
}

TEST(FiberPool, WalkMayRunWhileOthersGrowThePool) {
  const int rounds = support::scaled(200);
  Atomic<bool> stop{false};
  std::thread walker([&] {
    while (!stop) {
      FiberPool::instance().for_each(
          [&](Fiber& fiber) { EXPECT_EQ(fiber.scheduler.load(), nullptr); });
    }
  });
  std::vector<Fiber*> held;
  for (int round = 0; round < rounds; ++round) {
    for (Fiber* fiber : take_exactly(40)) held.push_back(fiber);
  }
  stop = true;
  walker.join();
  give_all(held);
}

// ---- The caches over it.

TEST(FiberCache, GivesTheLastOneReleasedFirst) {
  FiberCache cache;
  Fiber* const first = cache.acquire();
  Fiber* const second = cache.acquire();
  cache.release(first);
  cache.release(second);
  EXPECT_EQ(cache.acquire(), second);
  EXPECT_EQ(cache.acquire(), first);
  cache.release(first);
  cache.release(second);
}

TEST(FiberCache, GivesEverythingBackWhenItDies) {
  give_all(take_exactly(2000));
  const std::size_t capacity = FiberPool::instance().capacity();
  for (int round = 0; round < 5; ++round) {
    FiberCache cache;
    std::vector<Fiber*> held;
    for (int i = 0; i < 1000; ++i) held.push_back(cache.acquire());
    std::set<Fiber*> distinct(held.begin(), held.end());
    EXPECT_EQ(distinct.size(), held.size());
    for (Fiber* fiber : held) cache.release(fiber);
  }
  give_all(take_exactly(2000));
  EXPECT_EQ(FiberPool::instance().capacity(), capacity);
}

TEST(FiberCache, SurplusGoesToTheOthers) {
  // One worker only acquires and another only releases: descriptors must flow back.
  FiberCache producer;
  FiberCache consumer;
  constexpr int kBatch = 64;
  const auto flow = [&] {
    std::vector<Fiber*> moving;
    for (int i = 0; i < kBatch; ++i) moving.push_back(producer.acquire());
    for (Fiber* fiber : moving) consumer.release(fiber);
  };
  for (int round = 0; round < 20; ++round) flow();
  const std::size_t capacity = FiberPool::instance().capacity();
  for (int round = 0; round < 1000; ++round) flow();
  EXPECT_EQ(FiberPool::instance().capacity(), capacity);
}

TEST(FiberCache, CachesOfManyThreadsNeverShareADescriptor) {
  constexpr int kThreads = 4;
  const int rounds = support::scaled(20'000);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      FiberCache cache;
      std::vector<Fiber*> held;
      for (int round = 0; round < rounds; ++round) {
        if (round % 700 < 400) {
          held.push_back(cache.acquire());
          // Plain memory: a second owner shows in the thread sanitizer, and here.
          held.back()->saved_errno = 1;
        } else if (!held.empty()) {
          EXPECT_EQ(held.back()->saved_errno, 1);
          held.back()->saved_errno = 0;
          cache.release(held.back());
          held.pop_back();
        }
      }
      for (Fiber* fiber : held) cache.release(fiber);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace weft::detail
