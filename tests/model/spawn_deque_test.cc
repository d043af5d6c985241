// Goal: every fiber that is spawned starts exactly once, whoever takes it, and nobody sleeps while
// one waits: the deque of sched/spawn_deque.h, with room for four. Each model lets the owner push,
// pop and turn groups around while thieves take the oldest.

#include "sched/spawn_deque.h"

#include <gtest/gtest.h>

#include "pool.h"
#include "proof.h"

namespace {

using model::Model;
using model::require;
using Threads = std::vector<std::function<void()>>;

struct Item {
  model::Plain<bool> written{false};  // before it is pushed
  int taken = 0;
};
using Deque = weft::detail::SpawnDeque<Item, 4>;

void take(Item* item) {
  require(item->written.get(), "it was written before");
  require(++item->taken == 1, "an item is taken once");
}

// Two workers, one of which spawns. As in Worker::start() and Worker::pop_spawned().
class Workers : public support::Pool {
 protected:
  explicit Workers(int fibers) : Pool(2, fibers, false) {}

  Threads threads() override {
    return {[this] { spawner(); }, [this] { run_worker(1); }};
  }
  virtual void spawner() = 0;

  void spawn(Item& item) {
    item.written.set(true);
    deque.push(&item, &spawning);
    wake_another();
  }
  // In one fiber: the other worker has to do the rest.
  void held_up() {
    while (items_left.load() > 0) weft::detail::cpu_relax();
  }
  void run(Item* item) {
    ::take(item);
    finish_one();
  }
  int take(unsigned) override {
    Item* const item = deque.steal();
    if (item == nullptr) return 0;
    ::take(item);
    return 1;
  }
  bool has_work() override { return !deque.empty(); }

  Deque deque;
  Item spawning;  // the fiber that does
};

struct Spawner : Workers {
  Spawner() : Workers(1) {}
  void spawner() override {
    spawn(item);
    held_up();
  }
  Item item;
};
TEST(SpawnDequeModel, NobodySleepsWhileAFiberWaits) {
  support::expect_proven<Spawner>({.preemptions = 3});
}

// Who looks for work while the group is hidden sleeps, unless it is told again.
struct GroupSpawner : Workers {
  GroupSpawner() : Workers(3) {}
  void spawner() override {
    for (Item& item : items) spawn(item);
    Item* const first = deque.pop_group();
    if (deque.count() > 0) wake_another();
    if (first == nullptr) return;
    run(first);
    held_up();
  }
  Item items[3];
};
TEST(SpawnDequeModel, NobodySleepsWhileAGroupWaits) {
  support::expect_proven<GroupSpawner>({.preemptions = 2, .delays = 0, .surprises = 0});
}

class Spawned : public Model {
 protected:
  explicit Spawned(int count) : pushed(count) {}

  // By the item `spawner`, or by nobody.
  void push(int index, int spawner = -1) {
    items[index].written.set(true);
    require(deque.push(&items[index], spawner < 0 ? nullptr : &items[spawner]), "there is room");
  }
  bool pop() { return taken(deque.pop()); }
  bool pop_group() { return taken(deque.has_group() ? deque.pop_group() : deque.pop()); }
  bool steal() { return taken(deque.steal()); }
  static bool taken(Item* item) {
    if (item != nullptr) take(item);
    return item != nullptr;
  }
  void at_end() override {
    while (pop()) {
    }
    require(deque.empty(), "what has been taken is gone");
    for (int i = 0; i < pushed; ++i) require(items[i].taken == 1, "no item is lost");
  }

  Deque deque;
  Item items[8];  // the last ones only spawn
  const int pushed;
};

// The last item, which both sides want.
struct LastItems : Spawned {
  LastItems() : Spawned(3) {}
  Threads threads() override {
    return {[this] {
              push(0);
              push(1);
              pop();
              pop();
              push(2);
              pop();
            },
            [this] {
              steal();
              steal();
            }};
  }
};
TEST(SpawnDequeModel, TheLastItemsHaveOneTaker) {
  support::expect_proven<LastItems>({.preemptions = 3});
}

struct TwoThieves : Spawned {
  TwoThieves() : Spawned(3) {}
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 3; ++i) push(i);
              pop();
              pop();
            },
            [this] { steal(); },
            [this] {
              steal();
              steal();
            }};
  }
};
TEST(SpawnDequeModel, TwoThieves) {
  support::expect_proven<TwoThieves>({.preemptions = 2, .delays = 0});
}

// Whether it lies on older items, so that the thieves have not come to it, or begins where they
// are.
struct Group : Spawned {
  explicit Group(int below) : Spawned(below + 3), older(below) { items[5].written.set(true); }
  Threads threads() override {
    return {[this] {
              int next = 0;
              while (next < older) push(next++);
              while (next < pushed) push(next++, 5);
              pop_group();
              // Its spawner, which has waited for the first.
              if (!deque.push_behind_group(&items[5])) take(&items[5]);
              pop();
            },
            [this] {
              steal();
              steal();
            },
            [this] { steal(); }};
  }
  void at_end() override {
    Spawned::at_end();
    require(items[5].taken == 1, "its spawner is not lost");
  }
  const int older;
};
TEST(SpawnDequeModel, AGroupIsTurnedAroundWhileThievesAreAtIt) {
  support::expect_proven<Group>({.preemptions = 2, .delays = 0}, 0);
  support::expect_proven<Group>({.preemptions = 2, .delays = 0}, 1);
}

// The ring goes round, so that a thief may hold an index from a round ago.
struct Rounds : Spawned {
  Rounds() : Spawned(6) {}
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 6; ++i) {
                push(i, 6 + i / 2 % 2);
                if (i % 2 == 1) {
                  pop_group();
                  pop();
                }
              }
            },
            [this] {
              steal();
              steal();
            }};
  }
};
TEST(SpawnDequeModel, AThiefHoldsAnOldIndex) { support::expect_proven<Rounds>({.preemptions = 3}); }

}  // namespace
