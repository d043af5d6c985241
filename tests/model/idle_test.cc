// Goal: nobody sleeps while there is work, and nobody who was woken is woken in vain for ever: the
// parking protocol of sched/idle.h and sched/parker.h. Workers follow find_work.cc: search,
// announce, look once more, park; producers publish and then ask whom to wake.

#include <gtest/gtest.h>

#include <array>

#include "proof.h"
#include "sched/idle.h"
#include "sched/inbox.h"
#include "sched/parker.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Atomic;
using weft::detail::Driver;
using weft::detail::Idle;
using weft::detail::kNever;
using weft::detail::Nanos;
using weft::detail::Parker;
using weft::detail::Ready;
using Threads = std::vector<std::function<void()>>;

// Sleeping in the driver: an interrupt is remembered, as an eventfd remembers it.
class Eventfd final : public Driver {
 public:
  const char* name() const noexcept override { return "model"; }
  bool active() const noexcept override { return true; }
  bool acquire(unsigned) noexcept override { return !taken_.exchange(true); }
  void release(unsigned) noexcept override { taken_.store(false); }
  void poll(unsigned, Nanos deadline, std::vector<Ready>&) noexcept override {
    while (told_.load() == 0 && deadline != 0) {
      if (!weft::detail::futex_wait(told_, 0, deadline)) break;
    }
    told_.store(0);
  }
  void interrupt(unsigned) noexcept override {
    told_.store(1);
    weft::detail::futex_wake(told_, 1);
  }

 private:
  Atomic<bool> taken_{false};
  Atomic<std::uint32_t> told_{0};
};

// Who is told goes on, and sees what was done before it was told.
struct ParkAndUnpark : Model {
  explicit ParkAndUnpark(bool in_driver) : uses_driver(in_driver) {}
  Threads threads() override {
    return {[this] {
              park();
              require(first.get() == 1, "what was done before the unpark is seen");
              park();
              require(second.get() == 2, "and before the next");
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
  Eventfd driver;
  std::vector<Ready> ready;
  model::Plain<int> first{0}, second{0};
  Atomic<bool> read_once{false};
  const bool uses_driver;
};
TEST(ParkerModel, WhoIsToldSeesWhatWasDoneBefore) {
  support::expect_proven<ParkAndUnpark>({.preemptions = 4}, false);
  support::expect_proven<ParkAndUnpark>({.preemptions = 4}, true);
}

// Work is a count, like the injector's: raised by whoever publishes, before it asks whom to wake.
class Pool : public Model {
 protected:
  Pool(unsigned workers, int items, bool with_driver)
      : idle(workers), parkers(workers), items_left(items), uses_driver(with_driver) {}

  void publish() {
    work.fetch_add(1, std::memory_order_seq_cst);
    wake_another();
  }
  void wake_another() {
    const int sleeper = idle.pick();
    if (sleeper != Idle::kNobody) unpark(static_cast<unsigned>(sleeper));
  }
  void unpark(unsigned worker) { parkers[worker].unpark(driver, worker); }

  bool take() {
    int left = work.load(std::memory_order_relaxed);
    while (left > 0) {
      if (work.compare_exchange_strong(left, left - 1)) return true;
    }
    return false;
  }
  bool has_work() { return work.load(std::memory_order_seq_cst) > 0; }

  // find_work(), found() and park() of one worker, until all is done.
  void run_worker(unsigned index) {
    bool searching = false;
    while (!stopping.load(std::memory_order_seq_cst)) {
      if (!searching) searching = idle.begin_search();
      if (take()) {
        const bool was_last = searching && idle.end_search();
        if (was_last && has_work()) wake_another();
        searching = false;
        finish_one();
      } else {
        searching = park(index, searching);
      }
    }
    if (searching && idle.end_search()) wake_another();
  }
  bool park(unsigned index, bool searching) {
    const bool watches = uses_driver && driver.acquire(index);
    const bool last = idle.announce(index, searching, watches);
    if (!must_stay_awake(index, last)) {
      if (watches) {
        parkers[index].park(driver, index, kNever, ready);
      } else {
        parkers[index].park(kNever);
      }
    }
    if (watches) driver.release(index);
    return idle.leave(index) == Idle::Left::kToSearch;
  }
  virtual bool must_stay_awake(unsigned, bool last) {
    return stopping.load(std::memory_order_seq_cst) || (last && has_work());
  }
  void finish_one() {
    if (items_left.fetch_sub(1) == 1) stop();
  }
  void stop() {
    stopping.store(true, std::memory_order_seq_cst);
    for (unsigned i = 0; i < parkers.size(); ++i) unpark(i);
  }
  void at_end() override {
    require(items_left.load() == 0, "all work is done");
    require(work.load() == 0, "and none is left");
  }

  Idle idle;
  std::vector<Parker> parkers;
  Eventfd driver;
  std::vector<Ready> ready;
  Atomic<int> work{0};
  Atomic<int> items_left;
  Atomic<bool> stopping{false};
  const bool uses_driver;
};

struct OneWorker : Pool {
  explicit OneWorker(bool with_driver) : Pool(1, 2, with_driver) {}
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

struct TwoWorkers : Pool {
  explicit TwoWorkers(bool with_driver) : Pool(2, 2, with_driver) {}
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

struct TwoProducers : Pool {
  TwoProducers() : Pool(2, 2, false) {}
  Threads threads() override {
    return {[this] { run_worker(0); }, [this] { run_worker(1); }, [this] { publish(); },
            [this] { publish(); }};
  }
};
TEST(IdleModel, TwoWorkersAndTwoProducers) {
  support::expect_proven<TwoProducers>({.preemptions = 2, .delays = 0});
}

// What is sent to one worker alone, which nobody else may run.
struct Inboxes : Pool {
  Inboxes() : Pool(2, 1, false) {}
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
           Pool::must_stay_awake(index, last);
  }
  Atomic<int> inbox{0};
};
TEST(IdleModel, AFiberSentToASleeper) {
  support::expect_proven<Inboxes>({.preemptions = 2, .delays = 0});
}

}  // namespace
