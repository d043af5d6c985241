// Goal: who waits for the end of a runtime returns, but only after all fibers have ended, and
// nobody touches the runtime once it may be gone. Method: the census of sched/, between workers
// whose fibers start others, a plain thread that starts one, and who closes, as in
// Scheduler::cancel_all_and_wait and Scheduler::stop. Without a deadline, a wake-up that is lost
// shows as a sleep that never ends.

#include "sched/census.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

#include "proof.h"

// Who waits for outside calls.
extern "C" int sched_yield() noexcept {
  model::relax();
  return 0;
}

namespace {

using model::Model;
using model::require;
using weft::detail::Atomic;
using weft::detail::Census;
using weft::detail::FiberTally;
using weft::detail::kNever;
using Threads = std::vector<std::function<void()>>;

// What threads that have nothing else to do sleep on.
class Flag {
 public:
  void raise() {
    word_.store(1, std::memory_order_release);
    weft::detail::futex_wake(word_, 4);
  }
  void await() const {
    while (word_.load(std::memory_order_acquire) == 0) weft::detail::futex_wait(word_, 0);
  }

 private:
  Atomic<std::uint32_t> word_{0};
};

class Closing : public Model {
 protected:
  static constexpr int kFibers = 3;

  Closing(int fibers, bool with_deadline) : fibers_(fibers), with_deadline_(with_deadline) {
    census.emplace();
    for (const FiberTally& tally : tallies) census->add(tally);
  }

  // Before the runtime ends: there since before.
  void begin_with(int fiber) {
    {
      const Census::OutsideCall call(*census);
      call.count_start();
    }
    queued[fiber].raise();
  }
  void start(int fiber, int worker) {
    tallies[worker].started.add();
    queued[fiber].raise();
  }
  void start_from_outside(int fiber) {
    const Census::OutsideCall call(*census);
    call.count_start();
    queued[fiber].raise();
  }
  // A worker that has nothing else to do.
  void run(int fiber, int worker, const std::function<void()>& body = {}) {
    queued[fiber].await();
    if (body) body();
    results[fiber].store(1, std::memory_order_relaxed);
    census->count_end(tallies[worker]);
  }

  // Scheduler::cancel_all_and_wait().
  void close() {
    census->close();
    if (on_close) on_close();
    for (;;) {
      const Census::Look look = census->look();
      if (look.all_ended) return;
      census->wait(look, with_deadline_ ? 1 : kNever);
    }
  }
  void wait_for_all() {
    close();
    for (int i = 0; i < fibers_; ++i) {
      require(results[i].load(std::memory_order_relaxed) == 1, "all fibers have done their work");
    }
  }
  // Scheduler::stop(), which joins the workers.
  void destroy() {
    census->wait_for_outside_calls();
    for (const Flag& worker : left) worker.await();
    closed = true;
    model::gone(&*census, sizeof *census);
  }
  // A worker that leaves when it has run what is its own.
  std::function<void()> worker(int index, const std::function<void()>& fibers) {
    return [this, index, fibers] {
      fibers();
      left[index].raise();
    };
  }
  std::function<void()> who_closes() {
    return [this] {
      wait_for_all();
      destroy();
    };
  }
  void at_end() override { require(closed, "who closes has returned"); }

  std::optional<Census> census;
  FiberTally tallies[2];
  Flag queued[kFibers];
  Atomic<int> results[kFibers];
  Flag left[2];
  std::function<void()> on_close;
  bool closed = false;

 private:
  const int fibers_;
  const bool with_deadline_;
};

// Each is started by the one before, on the other worker.
struct Generations : Closing {
  explicit Generations(bool with_deadline) : Closing(3, with_deadline) { begin_with(0); }
  Threads threads() override {
    return {worker(0,
                   [this] {
                     run(0, 0, [this] { start(1, 0); });
                     run(2, 0);
                   }),
            worker(1, [this] { run(1, 1, [this] { start(2, 1); }); }), who_closes()};
  }
};
TEST(CensusModel, EachFiberIsStartedByTheOneBefore) {
  support::expect_proven<Generations>({.preemptions = 1, .surprises = 0}, false);
  support::expect_proven<Generations>({.preemptions = 2, .delays = 0, .surprises = 0}, false);
  support::expect_proven<Generations>({.preemptions = 1, .delays = 0}, true);
}

// A child that ends elsewhere before its parent: seen without its birth, it would pass for the
// parent's end.
struct ChildEndsFirst : Closing {
  ChildEndsFirst() : Closing(2, false) { begin_with(0); }
  Threads threads() override {
    return {worker(0, [this] { run(0, 0, [this] { start(1, 0); }); }),
            worker(1, [this] { run(1, 1); }), who_closes()};
  }
};
TEST(CensusModel, AChildEndsBeforeItsParent) {
  support::expect_proven<ChildEndsFirst>({.preemptions = 2, .surprises = 0});
}

// Two that end at the same time, with their counts late.
struct EndTogether : Closing {
  EndTogether() : Closing(2, false) {
    begin_with(0);
    begin_with(1);
  }
  Threads threads() override {
    return {worker(0, [this] { run(0, 0); }), worker(1, [this] { run(1, 1); }), who_closes()};
  }
};
TEST(CensusModel, TheLastToEndIsSeen) {
  support::expect_proven<EndTogether>({.preemptions = 2, .surprises = 0});
}

// A plain thread starts a fiber, at whose end the runtime may go; another one is there until it is
// cancelled.
struct FromOutside : Closing {
  FromOutside() : Closing(2, false) {
    begin_with(0);
    left[1].raise();
    on_close = [this] { cancelled.raise(); };
  }
  Threads threads() override {
    return {worker(0,
                   [this] {
                     run(1, 0, [this] { may_close.raise(); });
                     run(0, 0, [this] { cancelled.await(); });
                   }),
            [this] { start_from_outside(1); },
            [this] {
              may_close.await();
              wait_for_all();
              destroy();
            }};
  }
  Flag may_close, cancelled;
};
TEST(CensusModel, AThreadIsStillInTheCallThatStartedTheLast) {
  support::expect_proven<FromOutside>({.preemptions = 2, .surprises = 0});
}

// The same while the runtime is closing already, as by a job of the blocking pool, which is waited
// for between two rounds.
struct WhileClosing : Closing {
  WhileClosing() : Closing(2, false) {
    begin_with(0);
    left[1].raise();
  }
  Threads threads() override {
    return {worker(0,
                   [this] {
                     run(0, 0);
                     run(1, 0);
                   }),
            [this] {
              start_from_outside(1);
              job_is_done.raise();
            },
            [this] {
              close();
              job_is_done.await();
              wait_for_all();
              destroy();
            }};
  }
  Flag job_is_done;
};
TEST(CensusModel, AThreadStartsOneWhileTheRuntimeCloses) {
  support::expect_proven<WhileClosing>({.preemptions = 2, .surprises = 0});
}

}  // namespace
