// Goal: nobody sleeps while there is work, and nobody who was woken is woken in vain for ever: the
// parking protocol of sched/idle.h and sched/parker.h. Workers follow find_work.cc: search,
// announce, look once more, park; producers publish and then ask whom to wake.

#include <gtest/gtest.h>

#include "pool.h"
#include "proof.h"

namespace {

using support::Parker;
using weft::detail::Atomic;
using weft::detail::kNever;
using Threads = std::vector<std::function<void()>>;

// Who is told goes on, and sees what was done before it was told.
struct ParkAndUnpark : model::Model {
  explicit ParkAndUnpark(bool in_driver) : uses_driver(in_driver) {}
  Threads threads() override {
    return {[this] {
              park();
              model::require(first.get() == 1, "what was done before the unpark is seen");
              park();
              model::require(second.get() == 2, "and before the next");
            },
            [this] {
              first.set(1);
              parker.unpark(driver, 0);
              // Told again before it has looked, it would go on once for both.
              while (!read_once.load()) weft::detail::cpu_relax();
              second.set(2);
              parker.unpark(driver, 0);
            }};
  }
  void park() {
    if (uses_driver) {
      parker.park(driver, 0, kNever, ready);
    } else {
      parker.park(kNever);
    }
    read_once.store(true);
  }

  Parker parker;
  support::Eventfd driver;
  std::vector<support::Ready> ready;
  model::Plain<int> first{0}, second{0};
  Atomic<bool> read_once{false};
  const bool uses_driver;
};
TEST(ParkerModel, WhoIsToldSeesWhatWasDoneBefore) {
  support::expect_proven<ParkAndUnpark>({.preemptions = 4}, false);
  support::expect_proven<ParkAndUnpark>({.preemptions = 4}, true);
}

// Work is a count, like the injector's: raised by whoever publishes, before it asks whom to wake.
class Counted : public support::Pool {
 protected:
  using Pool::Pool;

  void publish() {
    work.fetch_add(1, std::memory_order_seq_cst);
    wake_another();
  }
  int take(unsigned) override {
    int left = work.load(std::memory_order_relaxed);
    while (left > 0) {
      if (work.compare_exchange_strong(left, left - 1)) return 1;
    }
    return 0;
  }
  bool has_work() override { return work.load(std::memory_order_seq_cst) > 0; }

  Atomic<int> work{0};
};

struct OneWorker : Counted {
  explicit OneWorker(bool with_driver) : Counted(1, 2, with_driver) {}
  Threads threads() override {
    return {[this] { run_worker(0); },
            [this] {
              publish();
              publish();
            }};
  }
};
TEST(IdleModel, OneWorkerAndAProducer) {
  support::expect_proven<OneWorker>({.preemptions = 4}, false);
  support::expect_proven<OneWorker>({.preemptions = 3}, true);
}

struct TwoWorkers : Counted {
  explicit TwoWorkers(bool with_driver) : Counted(2, 2, with_driver) {}
  Threads threads() override {
    return {[this] { run_worker(0); }, [this] { run_worker(1); },
            [this] {
              publish();
              publish();
            }};
  }
};
TEST(IdleModel, TwoWorkersAndAProducer) {
  support::expect_proven<TwoWorkers>({.preemptions = 2, .delays = 0}, false);
  support::expect_proven<TwoWorkers>({.preemptions = 2, .delays = 0}, true);
}

struct TwoProducers : Counted {
  TwoProducers() : Counted(2, 2, false) {}
  Threads threads() override {
    return {[this] { run_worker(0); }, [this] { run_worker(1); }, [this] { publish(); },
            [this] { publish(); }};
  }
};
TEST(IdleModel, TwoWorkersAndTwoProducers) {
  support::expect_proven<TwoProducers>({.preemptions = 2, .delays = 0});
}

// What is sent to one worker alone, which nobody else may run.
struct Inboxes : Counted {
  Inboxes() : Counted(2, 1, false) {}
  Threads threads() override {
    return {[this] { run_with_inbox(); }, [this] { run_worker(1); },
            [this] {
              inbox.fetch_add(1, std::memory_order_seq_cst);
              if (idle.pick(0)) unpark(0);
            }};
  }
  void run_with_inbox() {
    bool searching = false;
    while (!stopping.load(std::memory_order_seq_cst)) {
      if (inbox.load(std::memory_order_relaxed) > 0) {
        inbox.fetch_sub(1);
        if (searching && idle.end_search()) wake_another();
        searching = false;
        finish_one();
      } else {
        if (!searching) searching = idle.begin_search();
        searching = park(0, searching);
      }
    }
    if (searching && idle.end_search()) wake_another();
  }
  bool must_stay_awake(unsigned index, bool last) override {
    return (index == 0 && inbox.load(std::memory_order_seq_cst) > 0) ||
           Counted::must_stay_awake(index, last);
  }
  Atomic<int> inbox{0};
};
TEST(IdleModel, AFiberSentToASleeper) {
  support::expect_proven<Inboxes>({.preemptions = 2, .delays = 0});
}

}  // namespace
