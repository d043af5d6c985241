// Goal: what is sent to a worker arrives once, oldest first, whoever sends. Method: chains by hand,
// and several senders against one owner.

#include "sched/inbox.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

#include "support/build_kind.h"

namespace weft::detail {
namespace {

std::vector<std::uint64_t> ids_of(Fiber* chain) {
  std::vector<std::uint64_t> ids;
  for (; chain != nullptr; chain = chain->next) ids.push_back(chain->id.load());
  return ids;
}

// Descriptors with the ids 0, 1, ...
std::deque<Fiber> make_fibers(std::size_t count) {
  std::deque<Fiber> fibers(count);
  for (std::size_t i = 0; i < count; ++i) fibers[i].id.store(i);
  return fibers;
}

TEST(Inbox, IsEmptyAtFirst) {
  Inbox inbox;
  EXPECT_TRUE(inbox.empty());
  EXPECT_TRUE(inbox.looks_empty());
  EXPECT_EQ(inbox.take_all(), nullptr);
}

TEST(Inbox, GivesEverythingAtOnceOldestFirst) {
  Inbox inbox;
  auto fibers = make_fibers(4);
  for (Fiber& fiber : fibers) inbox.push(fiber);
  EXPECT_FALSE(inbox.empty());
  EXPECT_FALSE(inbox.looks_empty());
  EXPECT_EQ(ids_of(inbox.take_all()), (std::vector<std::uint64_t>{0, 1, 2, 3}));
  EXPECT_TRUE(inbox.empty());
  EXPECT_EQ(inbox.take_all(), nullptr);
}

TEST(Inbox, ChainOfOneEnds) {
  Inbox inbox;
  auto fibers = make_fibers(2);
  fibers[0].next = &fibers[1];  // whatever it was linked to before
  inbox.push(fibers[0]);
  EXPECT_EQ(ids_of(inbox.take_all()), std::vector<std::uint64_t>{0});
}

TEST(Inbox, WhatComesAfterIsInTheNextChain) {
  Inbox inbox;
  auto fibers = make_fibers(3);
  inbox.push(fibers[0]);
  Fiber* const first = inbox.take_all();
  inbox.push(fibers[1]);
  inbox.push(fibers[2]);
  EXPECT_EQ(ids_of(first), std::vector<std::uint64_t>{0});
  EXPECT_EQ(ids_of(inbox.take_all()), (std::vector<std::uint64_t>{1, 2}));
}

TEST(Inbox, EverySendersFibersArriveOnceAndInItsOrder) {
  constexpr std::size_t kSenders = 3;
  const auto each = static_cast<std::size_t>(support::scaled(20'000));
  Inbox inbox;
  auto fibers = make_fibers(kSenders * each);
  std::vector<std::thread> senders;
  for (std::size_t sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      for (std::size_t i = 0; i < each; ++i) {
        Fiber& fiber = fibers[sender * each + i];
        fiber.saved_errno = 1;  // plain memory, published by the push
        inbox.push(fiber);
      }
    });
  }
  std::vector<std::size_t> next(kSenders, 0);
  for (std::size_t received = 0; received < kSenders * each;) {
    Fiber* fiber = inbox.take_all();
    if (fiber == nullptr) std::this_thread::yield();
    for (; fiber != nullptr; fiber = fiber->next) {
      const std::size_t sender = fiber->id.load() / each;
      ASSERT_EQ(fiber->id.load() % each, next[sender]++) << "sender " << sender;
      ASSERT_EQ(fiber->saved_errno, 1);
      ++received;
    }
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_TRUE(inbox.empty());
}

TEST(OwnQueue, IsAFifo) {
  OwnQueue queue;
  auto fibers = make_fibers(3);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pop(), nullptr);
  for (Fiber& fiber : fibers) queue.push(fiber);
  EXPECT_FALSE(queue.empty());
  for (Fiber& fiber : fibers) EXPECT_EQ(queue.pop(), &fiber);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pop(), nullptr);
}

TEST(OwnQueue, MayRunEmptyBetween) {
  OwnQueue queue;
  auto fibers = make_fibers(3);
  queue.push(fibers[0]);
  EXPECT_EQ(queue.pop(), &fibers[0]);
  queue.push(fibers[1]);
  queue.push(fibers[2]);
  EXPECT_EQ(queue.pop(), &fibers[1]);
  queue.push(fibers[0]);  // comes back, with a stale link
  EXPECT_EQ(queue.pop(), &fibers[2]);
  EXPECT_EQ(queue.pop(), &fibers[0]);
  EXPECT_EQ(queue.pop(), nullptr);
}

}  // namespace
}  // namespace weft::detail
