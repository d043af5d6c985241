#pragma once

// Workers that follow sched/find_work.cc: search, announce, look once more, park. What they search
// is the model's.

#include <functional>
#include <vector>

#include "explorer/explorer.h"
#include "sched/idle.h"
#include "sched/parker.h"

namespace support {

using weft::detail::Atomic;
using weft::detail::Driver;
using weft::detail::Idle;
using weft::detail::kNever;
using weft::detail::Nanos;
using weft::detail::Parker;
using weft::detail::Ready;

// Sleeping in the driver: an interrupt is remembered, as an eventfd remembers it.
class Eventfd final : public Driver {
 public:
  const char* name() const noexcept override { return "model"; }
  bool active() const noexcept override { return true; }
  bool unwatched() noexcept override { return !taken_.load(); }
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

class Pool : public model::Model {
 protected:
  Pool(unsigned workers, int items, bool with_driver)
      : idle(workers), parkers(workers), items_left(items), uses_driver(with_driver) {}

  /// Scheduler::has_work(), and the search for it.
  virtual bool has_work() = 0;
  virtual int take(unsigned worker) = 0;  // how much
  virtual void do_work(int amount) {
    for (int i = 0; i < amount; ++i) finish_one();
  }

  void wake_another() {
    const int sleeper = idle.pick();
    if (sleeper != Idle::kNobody) unpark(static_cast<unsigned>(sleeper));
  }
  void unpark(unsigned worker) { parkers[worker].unpark(driver, worker); }

  // find_work(), found() and park() of one worker, until all is done.
  void run_worker(unsigned index) {
    bool searching = false;
    while (!stopping.load(std::memory_order_seq_cst)) {
      if (!searching) searching = idle.begin_search();
      if (const int taken = take(index)) {
        const bool was_last = searching && idle.end_search();
        if (was_last && has_work()) wake_another();
        searching = false;
        do_work(taken);
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
    model::require(items_left.load() == 0, "all work is done");
    model::require(!has_work(), "and none is left");
  }

  Idle idle;
  std::vector<Parker> parkers;
  Eventfd driver;
  std::vector<Ready> ready;
  Atomic<int> items_left;
  Atomic<bool> stopping{false};
  const bool uses_driver;
};

}  // namespace support
