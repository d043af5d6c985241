// Goal: what is injected is run once, and nobody sleeps while it is there, over a queue that may
// say that it is empty when it is not. Method: sched/injector.h with a stand-in for the queue,
// between producers and workers that park as in find_work.cc.

#include "sched/injector.h"

#include <gtest/gtest.h>

#include <deque>

#include "pool.h"
#include "proof.h"

namespace {

using model::require;
using weft::detail::Atomic;
using weft::detail::Injector;
using Threads = std::vector<std::function<void()>>;

struct Item {
  int taken = 0;
};

class Injecting : public support::Pool {
 protected:
  Injecting(unsigned workers, int count) : Pool(workers, count, false), count_(count) {
    for (unsigned i = 0; i < workers; ++i) ports.emplace_back(injector);
  }

  // Scheduler::inject().
  void inject(int index) {
    injector.push(&items[index]);
    moved();
    wake_another();
  }
  // Worker::take_injected().
  int take(unsigned worker) override {
    Item* got[2];
    const std::size_t share = injector.size() / ports.size() + 1;
    const std::size_t count = injector.pop(ports[worker], got, std::min<std::size_t>(share, 2));
    if (count > 0) moved();
    for (std::size_t i = 0; i < count; ++i) {
      require(++got[i]->taken == 1, "an item is taken once");
    }
    if (count > 0 && got[0] == spilling) spill(worker);
    return static_cast<int>(count);
  }
  // Worker::spill() and notify().
  void spill(unsigned worker) {
    Item* older[] = {&items[1], &items[2]};
    injector.push(ports[worker], older, 2);
    moved();
    wake_another();
  }
  bool has_work() override {
    const bool has = injector.maybe_has_items();
    require(has || inside() == 0, "none means that it is empty");
    return has;
  }
  bool must_stay_awake(unsigned index, bool last) override {
    const std::uint32_t seen = moves.load();
    const bool stays = Pool::must_stay_awake(index, last);
    // What is counted and not there, somebody else is about to put in or has just taken out. The
    // worker tries again, which would never end here if the other never went on.
    const bool half_way = stays && !stopping.load() && inside() == 0;
    if (half_way) weft::detail::futex_wait(moves, seen);
    return stays;
  }
  void at_end() override {
    for (int i = 0; i < count_; ++i) require(items[i].taken == 1, "no item is lost");
    Pool::at_end();
  }

  static int inside() { return moodycamel::ConcurrentQueue<Item*>::inside(); }
  void moved() {
    moves.fetch_add(1);
    weft::detail::futex_wake(moves, 4);
  }

  Injector<Item> injector;
  std::deque<Injector<Item>::Port> ports;
  Item items[4];
  const Item* spilling = nullptr;
  Atomic<std::uint32_t> moves{0};

 private:
  const int count_;
};

struct OneWorker : Injecting {
  OneWorker() : Injecting(1, 2) {}
  Threads threads() override {
    return {[this] { run_worker(0); },
            [this] {
              inject(0);
              inject(1);
            }};
  }
};
TEST(InjectorModel, OneWorkerAndAProducer) {
  support::expect_proven<OneWorker>({.preemptions = 2, .surprises = 2});
}

struct TwoProducers : Injecting {
  TwoProducers() : Injecting(1, 2) {}
  Threads threads() override {
    return {[this] { run_worker(0); }, [this] { inject(0); }, [this] { inject(1); }};
  }
};
TEST(InjectorModel, OneWorkerAndTwoProducers) {
  support::expect_proven<TwoProducers>({.preemptions = 2, .delays = 0});
}

struct TwoWorkers : Injecting {
  TwoWorkers() : Injecting(2, 2) {}
  Threads threads() override {
    return {[this] { run_worker(0); }, [this] { run_worker(1); },
            [this] {
              inject(0);
              inject(1);
            }};
  }
};
TEST(InjectorModel, TwoWorkersAndAProducer) {
  support::expect_proven<TwoWorkers>({.preemptions = 1, .delays = 0});
}

// The first item is run by a worker whose ring overflows.
struct Overflow : Injecting {
  Overflow() : Injecting(2, 3) { spilling = &items[0]; }
  Threads threads() override {
    return {[this] { run_worker(0); }, [this] { run_worker(1); }, [this] { inject(0); }};
  }
};
TEST(InjectorModel, ARingOverflowsIntoIt) {
  support::expect_proven<Overflow>({.preemptions = 1, .delays = 0});
}

}  // namespace
