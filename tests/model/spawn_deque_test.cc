// Goal: every fiber that is spawned starts exactly once, whoever takes it: the deque of
// sched/spawn_deque.h, with room for four, and the lock of base/owner_lock.h that it is behind.
// Each model lets the owner push, pop and turn groups around while thieves ask, think better of it,
// or take by force; with and without a barrier on all threads.

#include "sched/spawn_deque.h"

#include <gtest/gtest.h>

#include "proof.h"

namespace {

using model::Model;
using model::require;
using Threads = std::vector<std::function<void()>>;

// What is inside the lock, and no atomic.
struct Guarded : Model {
  explicit Guarded(bool with_barrier) : quick(with_barrier) {}
  Threads threads() override {
    return {[this] {
              if (quick) lock.have_barrier(true);
              for (int i = 0; i < 2; ++i) {
                for (auto asked = lock.enter(); asked > 0 && !lock.give(asked);)
                  asked = lock.enter_again();
                inside.set(inside.get() + 1);
                lock.leave();
              }
            },
            [this] { go_in(); }, [this] { go_in(); }};
  }
  void go_in() {
    if (!lock.ask(1)) return;
    if (lock.seize(1)) {
      inside.set(inside.get() + 1);
      came.fetch_add(1);
    }
    lock.done();
  }
  void at_end() override { require(inside.get() == 2 + came.load(), "each was alone inside"); }

  const bool quick;
  weft::detail::OwnerLock lock;
  model::Plain<int> inside{0};
  weft::detail::Atomic<int> came{0};
};
TEST(SpawnDequeModel, OneAtATimeIsInsideTheLock) {
  support::expect_proven<Guarded>({.preemptions = 2, .surprises = 0}, false);
  support::expect_proven<Guarded>({.preemptions = 2, .surprises = 0}, true);
}

struct Item {
  model::Plain<bool> written{false};  // before it is pushed
  int taken = 0;
};

void take(Item* item) {
  require(item->written.get(), "it was written before");
  require(++item->taken == 1, "an item is taken once");
}

class Spawned : public Model {
 protected:
  using Deque = weft::detail::SpawnDeque<Item, 4>;

  Spawned(int count, bool with_barrier) : pushed(count), quick(with_barrier) {}

  void have_barrier() {
    if (quick) deque.have_barrier(true);
  }
  // By the item `spawner`, or by nobody.
  void push(int index, int spawner = -1) {
    items[index].written.set(true);
    require(deque.push(&items[index], spawner < 0 ? nullptr : &items[spawner]), "there is room");
  }
  bool pop() {
    Item* const item = deque.pop();
    if (item != nullptr) take(item);
    return item != nullptr;
  }
  // Looks so often whether it has been answered.
  void ask(std::uint32_t most, int looks) {
    Deque::Batch batch;
    take_all(batch, deque.ask(batch, most, [&] { return --looks > 0; }));
  }
  void force() {
    Deque::Batch batch;
    take_all(batch, deque.force(batch));
  }
  static void take_all(const Deque::Batch& batch, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) take(batch[i]);
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
  const bool quick;
};

// The last item, which both sides want.
struct LastItems : Spawned {
  explicit LastItems(bool with_barrier) : Spawned(3, with_barrier) {}
  Threads threads() override {
    return {[this] {
              have_barrier();
              push(0);
              push(1);
              pop();
              pop();
              push(2);
              pop();
            },
            [this] {
              force();
              force();
            }};
  }
};
TEST(SpawnDequeModel, TheLastItemsHaveOneTaker) {
  support::expect_proven<LastItems>({.preemptions = 2}, false);
  support::expect_proven<LastItems>({.preemptions = 1, .surprises = 0, .most_buffered = 4}, true);
}

// Who asks is given half, unless it thinks better of it, which the owner may find too late.
struct Asking : Spawned {
  explicit Asking(int so_many_looks) : Spawned(4, false), looks(so_many_looks) {}
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 4; ++i) push(i);
              pop();
              deque.come_by();
            },
            [this] {
              ask(2, looks);
              ask(1, looks);
            }};
  }
  const int looks;
};
TEST(SpawnDequeModel, WhoAsksIsGivenOrWithdraws) {
  support::expect_proven<Asking>({.preemptions = 2}, 1);
  support::expect_proven<Asking>({.preemptions = 2}, 2);
}

struct TwoThieves : Spawned {
  explicit TwoThieves(bool with_barrier) : Spawned(4, with_barrier) {}
  Threads threads() override {
    return {[this] {
              have_barrier();
              for (int i = 0; i < 4; ++i) push(i);
              pop();
              pop();
            },
            [this] { ask(2, 2); }, [this] { force(); }};
  }
};
TEST(SpawnDequeModel, OneAsksAndOneTakesByForce) {
  support::expect_proven<TwoThieves>({.preemptions = 2, .delays = 0}, false);
  support::expect_proven<TwoThieves>({.preemptions = 2, .delays = 0, .surprises = 0}, true);
}

// The parcel is one's until it has been emptied.
struct TwoAsk : Spawned {
  TwoAsk() : Spawned(4, false) {}
  Threads threads() override {
    return {[this] {
              for (int i = 0; i < 4; ++i) push(i);
              deque.come_by();
              deque.come_by();
            },
            [this] { ask(1, 2); }, [this] { ask(1, 2); }};
  }
};
TEST(SpawnDequeModel, EachIsGivenItsOwn) {
  support::expect_proven<TwoAsk>({.preemptions = 3, .delays = 0, .surprises = 0});
}

// Whether it lies on older items, so that the thieves have not come to it, or begins where they
// are.
struct Group : Spawned {
  explicit Group(int below) : Spawned(below + 3, false), older(below) {
    items[5].written.set(true);
  }
  Threads threads() override {
    return {[this] {
              int next = 0;
              while (next < older) push(next++);
              while (next < pushed) push(next++, 5);
              pop();
              // Its spawner, which has waited for the first.
              if (!deque.push_behind_group(&items[5])) take(&items[5]);
              pop();
            },
            [this] {
              ask(1, 2);
              force();
            }};
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

// The ring goes round.
struct Rounds : Spawned {
  explicit Rounds(bool with_barrier) : Spawned(6, with_barrier) {}
  Threads threads() override {
    return {[this] {
              have_barrier();
              for (int i = 0; i < 6; ++i) {
                push(i, 6 + i / 2 % 2);
                if (i % 2 == 1) {
                  pop();
                  pop();
                }
              }
            },
            [this] {
              force();
              ask(1, 1);
            }};
  }
};
TEST(SpawnDequeModel, TheRingGoesRound) {
  support::expect_proven<Rounds>({.preemptions = 2, .delays = 0}, false);
  support::expect_proven<Rounds>({.preemptions = 2, .delays = 0, .surprises = 0}, true);
}

}  // namespace
