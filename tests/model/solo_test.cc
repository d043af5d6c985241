// Goal: while one thread of the process changes words by load and store, no change is lost when
// others come, and each sees what was written before; and so when workers sleep and another becomes
// the solo thread. Method: words, queues and the code of a worker's party, over the model's
// threads.

#include <gtest/gtest.h>
#include <weft/detail/solo.h>

#include "parties.h"
#include "proof.h"
#include "sched/lifo_slot.h"
#include "sched/run_queue.h"

namespace {

using model::Model;
using model::require;
using support::Thread;
using support::Worker;
using weft::detail::Party;
using Threads = std::vector<std::function<void()>>;

class Words : public Model {
 protected:
  using Word = weft::detail::SharedWord<std::uint32_t>;

  static bool swap(Word& word, std::uint32_t& expected, std::uint32_t desired) {
    return word.compare_exchange_strong(expected, desired, std::memory_order_acq_rel,
                                        std::memory_order_relaxed);
  }
  static void add_one(Word& word) {
    std::uint32_t seen = word.load(std::memory_order_relaxed);
    while (!swap(word, seen, seen + 1)) {
    }
  }

  support::House house;
};

// Each adds one, so often. Workers sleep in between if they are to; others leave.
struct Counting : Words {
  Counting(int so_often, int as_workers, int as_others, bool with_rest)
      : each(so_often), workers(as_workers), others(as_others), rests(with_rest) {}
  Threads threads() override {
    Threads all;
    for (int i = 0; i < workers; ++i) all.emplace_back([this, i] { work(i); });
    for (int i = 0; i < others; ++i) all.emplace_back([this] { come_and_go(); });
    return all;
  }
  void work(int id) {
    Worker self(house, static_cast<std::uint32_t>(id));
    self.wake_up();
    for (int n = 0; n < each; ++n) {
      if (n > 0 && rests) {
        self.fall_asleep();
        self.wake_up();
        self.look_around();
      }
      add_one(count);
    }
    self.end();
    if (rests) self.fall_asleep();
  }
  void come_and_go() {
    const Thread self;
    for (int n = 0; n < each; ++n) {
      add_one(count);
      if (rests) weft::detail::leave_party();
    }
  }
  void at_end() override {
    const int sum = (workers + others) * each;
    require(count.load() == static_cast<std::uint32_t>(sum), "every change is there");
  }
  const int each, workers, others;
  const bool rests;
  Word count{0};
};
TEST(SoloModel, SomebodyComes) {
  support::expect_proven<Counting>({.preemptions = 3, .surprises = 0}, 1, 1, 1, false);
}
TEST(SoloModel, TwoCome) {
  support::expect_proven<Counting>({.preemptions = 1, .surprises = 0}, 1, 1, 2, false);
}
TEST(SoloModel, AnotherWorkerComes) {
  support::expect_proven<Counting>({.preemptions = 2, .surprises = 0}, 1, 2, 0, false);
}
TEST(SoloModel, AnotherWorkerAndSomebody) {
  support::expect_proven<Counting>({.preemptions = 1, .surprises = 0}, 1, 2, 1, false);
}
TEST(SoloModel, WorkersSleepAndWake) {
  support::expect_proven<Counting>({.preemptions = 2, .surprises = 0}, 2, 2, 0, true);
}
TEST(SoloModel, SomebodyComesAndGoes) {
  support::expect_proven<Counting>({.preemptions = 2, .surprises = 0}, 2, 1, 1, true);
}

// Who was solo and does not know that it is no more, for it has slept: another may be, meanwhile.
struct Succeeding : Counting {
  Succeeding() : Counting(1, 2, 1, true) {}
  Threads threads() override {
    return {[this] {
              Worker self(house, 0);
              self.wake_up();
              self.fall_asleep();
              self.wake_up();
              add_one(count);
              self.look_around();
            },
            [this] { work(1); }, [this] { come_and_go(); }};
  }
};
TEST(SoloModel, OneIsSoloAfterTheOther) {
  support::expect_proven<Succeeding>({.preemptions = 2, .delays = 0, .surprises = 0});
}

// The word is a lock that is given back by a store; what it guards is plain.
struct Guarding : Words {
  Threads threads() override {
    return {[this] {
              Worker self(house, 0);
              self.wake_up();
              enter();
            },
            [this] {
              const Thread self;
              enter();
            }};
  }
  void enter() {
    std::uint32_t is_free = 0;
    if (!swap(lock, is_free, 1)) return;
    guarded.set(guarded.get() + 1);
    lock.store(0, std::memory_order_release);
  }
  Word lock{0};
  model::Plain<int> guarded{0};
};
TEST(SoloModel, WhatALockGuardsIsSeenByTheNext) {
  support::expect_proven<Guarding>({.preemptions = 2, .surprises = 0});
}

// What the solo thread wrote before it changed the word.
struct Writing : Words {
  void write() {
    Worker self(house, 0);
    self.wake_up();
    written.set(true);
    add_one(count);
    self.end();
  }
  Word count{0};
  model::Plain<bool> written{false};
};

struct OneAfterTheOther : Writing {
  Threads threads() override {
    return {[this] { write(); },
            [this] {
              const Thread self;
              add_one(count);
              if (count.load(std::memory_order_acquire) == 2) require(written.get(), "it is seen");
            }};
  }
};
TEST(SoloModel, WhatItWroteIsSeenByWhoComesLater) {
  support::expect_proven<OneAfterTheOther>({.preemptions = 2, .surprises = 0});
}

// Who only looks need not be one of many to rely on what it sees.
struct Looking : Writing {
  Threads threads() override {
    return {[this] { write(); },
            [this] {
              if (count.load(std::memory_order_acquire) == 1) require(written.get(), "it is seen");
            }};
  }
};
TEST(SoloModel, WhatItWroteIsSeenByWhoOnlyLooks) {
  support::expect_proven<Looking>({.preemptions = 2, .surprises = 0});
}

TEST(SoloModel, AFailedSwapTellsWhatItFound) {
  struct Differing : Words {
    Threads threads() override {
      return {[this] {
        Worker self(house, 0);
        self.wake_up();
        require(weft::detail::party() == Party::kSolo, "it is alone");
        std::uint32_t expected = 7;
        require(!swap(word, expected, 8), "it is not what was expected");
        require(expected == 3, "and this is what it is");
        require(swap(word, expected, 8), "now it is");
        require(word.exchange(9, std::memory_order_acq_rel) == 8, "and was changed");
        require(word.load() == 9, "again");
      }};
    }
    Word word{3};
  };
  support::expect_proven<Differing>({});
}

// What the solo thread publishes without a barrier is seen by who falls asleep, or the sleeper is
// seen: the wake rule, see sched/idle.h.
struct Publishing : Words {
  Threads threads() override {
    return {[this] {
              Worker self(house, 0);
              self.wake_up();
              work.publish(1);
              seen_asleep = house.awake.load(std::memory_order_seq_cst) == 1;
            },
            [this] {
              Worker self(house, 1);
              self.wake_up();
              self.fall_asleep();
              seen_work = work.load(std::memory_order_seq_cst) != 0;
            }};
  }
  void at_end() override {
    require(seen_asleep || seen_work, "either the sleeper is seen, or the work");
  }
  Word work{0};
  bool seen_asleep = false, seen_work = false;
};
TEST(SoloModel, WhoPublishesAndWhoFallsAsleepSeeEachOther) {
  support::expect_proven<Publishing>({.preemptions = 3, .surprises = 0});
}

// Likewise by who has found something else to run, and was the last to search.
struct ArrivingLate : Publishing {
  Threads threads() override {
    return {[this] {
              Worker self(house, 0);
              self.wake_up();
              work.publish(1);
              seen_asleep = searching.load(std::memory_order_seq_cst) == 0;
            },
            [this] {
              Worker self(house, 1);
              self.wake_up();
              searching.fetch_sub(1, std::memory_order_seq_cst);
              self.arrive();
              seen_work = work.load(std::memory_order_seq_cst) != 0;
            }};
  }
  weft::detail::Atomic<int> searching{1};
};
TEST(SoloModel, WhoPublishesAndWhoEndsItsSearchSeeEachOther) {
  support::expect_proven<ArrivingLate>({.preemptions = 3, .surprises = 0});
}

// ---- The queues of a worker that is solo, and thieves who wake.

struct Item {
  model::Plain<bool> written{false};  // before it is pushed
  int taken = 0;
};

class Queues : public Words {
 protected:
  explicit Queues(int items_pushed) : pushed(items_pushed) {}

  Item* fresh(int index) {
    items[index].written.set(true);
    return &items[index];
  }
  static void take(Item* item) {
    if (item == nullptr) return;
    require(item->written.get(), "it was written before");
    require(++item->taken == 1, "an item is taken once");
  }
  void at_end() override {
    for (int i = 0; i < pushed; ++i) require(items[i].taken == 1, "no item is lost");
  }
  template <class Body>
  std::function<void()> worker(std::uint32_t id, Body body) {
    return [this, id, body] {
      Worker self(house, id);
      self.wake_up();
      body();
    };
  }

  Item items[4];
  const int pushed;
};

struct SoloRing : Queues {
  SoloRing() : Queues(2) {}
  Threads threads() override {
    return {worker(0,
                   [this] {
                     ring.push(fresh(0));
                     ring.push(fresh(1));
                     take(ring.pop());
                   }),
            worker(1, [this] {
              take(own.steal_from(ring, true));
              while (Item* const item = own.pop()) take(item);
            })};
  }
  void at_end() override {
    while (Item* const item = ring.pop()) take(item);
    Queues::at_end();
  }
  weft::detail::RunQueue<Item, 4> ring, own;
};
TEST(SoloModel, ThiefAtItsRing) {
  support::expect_proven<SoloRing>({.preemptions = 1, .surprises = 0, .most_buffered = 4});
  support::expect_proven<SoloRing>({.preemptions = 2, .delays = 0, .surprises = 0});
}

struct SoloSlot : Queues {
  SoloSlot() : Queues(2) {}
  Threads threads() override {
    return {worker(0,
                   [this] {
                     take(slot.put(fresh(0), false));
                     take(slot.take(false));
                     take(slot.put(fresh(1), false));
                     take(slot.take(false));
                   }),
            worker(1, [this] { take(slot.steal()); })};
  }
  weft::detail::LifoSlot<Item> slot;
};
TEST(SoloModel, ThiefAtItsSlot) {
  support::expect_proven<SoloSlot>({.preemptions = 1, .surprises = 0, .most_buffered = 4});
  support::expect_proven<SoloSlot>({.preemptions = 2, .delays = 0, .surprises = 0});
}

}  // namespace
