// Goal: every item that is pushed comes out exactly once, whoever takes it, in a ring of four. Each
// model lets the owner push and pop while thieves steal half, and overflow moves half away.

#include <gtest/gtest.h>

#include <optional>

#include "proof.h"
#include "sched/run_queue.h"

namespace {

using model::Model;
using model::require;
using weft::detail::RunQueue;
using Threads = std::vector<std::function<void()>>;

struct Item {
  model::Plain<bool> written{false};  // before it is pushed
  int taken = 0;
};

class Queues : public Model {
 protected:
  using Ring = RunQueue<Item, 4>;

  void push(int index) {
    items[index].written.set(true);
    if (owner.push(&items[index])) return;
    std::array<Item*, Ring::kHalf> older;
    const std::uint32_t count = owner.take_half(older);
    for (std::uint32_t i = 0; i < count; ++i) take(older[i]);
    require(owner.push(&items[index]), "room was made, by the owner or by thieves");
  }
  void pop() {
    if (Item* const item = owner.pop()) take(item);
  }
  void steal(Ring& thief, bool even_lone) {
    if (Item* const item = thief.steal_from(owner, even_lone)) take(item);
    while (Item* const item = thief.pop()) take(item);
  }
  static void take(Item* item) {
    require(item != nullptr, "what is taken was pushed");
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): require() has ended the run
    require(item->written.get(), "and was written before");
    require(++item->taken == 1, "an item is taken once");
  }
  void at_end() override {
    while (Item* const item = owner.pop()) take(item);
    for (int i = 0; i < pushed; ++i) require(items[i].taken == 1, "no item is lost");
  }

  Ring owner, first, second;
  Item items[12];
  int pushed = 0;
};

// The wake rule reads the size after an announcement: zero must mean empty then.
struct SizeAfterAnnouncement : Queues {
  SizeAfterAnnouncement() { pushed = 1; }
  Threads threads() override {
    return {[this] {
              push(0);
              seen_asleep = asleep.load(std::memory_order_seq_cst) != 0;
            },
            [this] {
              asleep.fetch_add(1, std::memory_order_seq_cst);
              seen_work = !owner.empty();
            }};
  }
  void at_end() override {
    require(seen_asleep || seen_work, "either the sleeper is seen, or the work");
    Queues::at_end();
  }
  weft::detail::Atomic<int> asleep{0};
  bool seen_asleep = false, seen_work = false;
};
TEST(RunQueueModel, PublicationAndAnnouncementSeeEachOther) {
  support::expect_proven<SizeAfterAnnouncement>({.preemptions = 3});
}

struct OwnerAndThief : Queues {
  OwnerAndThief() { pushed = 4; }
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 3; ++i) push(i);
              pop();
              push(3);
              pop();
            },
            [this] {
              steal(first, true);
              steal(first, false);
            }};
  }
};
TEST(RunQueueModel, OwnerAndThief) { support::expect_proven<OwnerAndThief>({.preemptions = 3}); }

struct TwoThieves : Queues {
  TwoThieves() { pushed = 3; }
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 3; ++i) push(i);
              pop();
            },
            [this] { steal(first, true); }, [this] { steal(second, false); }};
  }
};
TEST(RunQueueModel, TwoThieves) { support::expect_proven<TwoThieves>({.preemptions = 2}); }

// The ring goes round, so that a thief may hold a head from a round ago.
struct Overflow : Queues {
  Overflow() { pushed = 7; }
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 7; ++i) push(i);
              pop();
            },
            [this] { steal(first, true); }};
  }
};
TEST(RunQueueModel, OverflowWhileAThiefIsAtIt) {
  support::expect_proven<Overflow>({.preemptions = 3});
}

}  // namespace
