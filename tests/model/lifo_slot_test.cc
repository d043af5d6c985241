// Goal: what becomes ready comes out once, whether its owner runs it, displaces it into the ring or
// loses it to thieves. Method: the owner and the ring of a worker, and thieves who follow
// Worker::take_lone, in find_work.cc.

#include <gtest/gtest.h>

#include <initializer_list>

#include "proof.h"
#include "sched/lifo_slot.h"
#include "sched/run_queue.h"

namespace {

using model::Model;
using model::require;
using weft::detail::LifoSlot;
using weft::detail::RunQueue;
using Threads = std::vector<std::function<void()>>;

// What its maker wrote before it became ready must be seen by whoever runs it.
struct Item {
  model::Plain<bool> prepared{false};
  int runs = 0;
};

class Stealing : public Model {
 protected:
  using Ring = RunQueue<Item, 4>;

  explicit Stealing(int count) : ready_items(count) {}

  // Worker::ready().
  void ready(int index) {
    Item& item = items[index];
    item.prepared.set(true);
    if (Item* const displaced = slot.put(&item, false)) {
      require(ring.push(displaced), "there is room for it");
    }
  }
  // Worker::next_unpinned().
  bool run_next() {
    Item* next = slot.waits() ? slot.take(false) : nullptr;
    if (next == nullptr) next = ring.pop();
    if (next != nullptr) run(*next);
    return next != nullptr;
  }
  void run_oldest() {
    if (Item* const oldest = ring.pop()) run(*oldest);
  }
  // Worker::take_lone().
  void steal(Ring& own) {
    if (Item* const lone = own.steal_from(ring, true)) {
      run(*lone);
    } else if (Item* const woken = slot.steal()) {
      run(*woken);
    }
    while (Item* const item = own.pop()) run(*item);
  }
  static void run(Item& item) {
    require(item.prepared.get(), "who runs it sees what it needs");
    require(++item.runs == 1, "nothing is run twice");
  }
  void at_end() override {
    while (run_next()) {
    }
    for (int i = 0; i < ready_items; ++i) require(items[i].runs == 1, "nothing is lost");
  }

  LifoSlot<Item> slot;
  Ring ring, first, second;
  Item items[6];
  const int ready_items;
};

// The owner must not overwrite what it believes to be there, nor take what has just been stolen.
struct OwnerAndThief : Stealing {
  OwnerAndThief() : Stealing(4) {}
  Threads threads() override {
    return {[this] {
              ready(0);
              ready(1);
              run_next();
              ready(2);
              ready(3);
              run_next();
            },
            [this] {
              steal(first);
              steal(first);
            }};
  }
};
TEST(LifoSlotModel, OwnerAndThief) { support::expect_proven<OwnerAndThief>({.preemptions = 3}); }

struct TwoThieves : Stealing {
  TwoThieves() : Stealing(3) {}
  Threads threads() override {
    return {[this] {
              for (const int index : {0, 1, 2}) ready(index);
              run_next();
              run_oldest();
            },
            [this] { steal(first); }, [this] { steal(second); }};
  }
};
TEST(LifoSlotModel, TwoThieves) { support::expect_proven<TwoThieves>({.preemptions = 2}); }

// Two thieves and nothing but the slot: one of them gets it, or the owner.
struct SlotAlone : Stealing {
  SlotAlone() : Stealing(2) {}
  Threads threads() override {
    return {[this] {
              ready(0);
              run_next();
              ready(1);
            },
            [this] { steal(first); }, [this] { steal(second); }};
  }
};
TEST(LifoSlotModel, AllWantTheOneInTheSlot) {
  support::expect_proven<SlotAlone>({.preemptions = 3});
}

}  // namespace
