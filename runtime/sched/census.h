#pragma once

// How many fibers of a runtime have been started and how many have ended, and the wait for the
// last.
//
// Roles. A worker counts, in a tally of its own, the fibers that start and end there. Any other
// thread is in an OutsideCall while it shows a fiber to the workers. One thread closes the runtime:
// it waits until all fibers have ended, then until all outside calls have.
//
// Invariants
//  1. A fiber is counted as started before others can see it, and as ended after all it did: hence
//     after all that it has started.
//  2. look() adds up the ends before the starts. Whoever has started but not ended is missing from
//     the first sum. If the second sum has it, they differ. If it does not, then neither has its
//     parent ended within the first sum (see 1), nor the parent's parent, up to one that the second
//     sum does have. The other order could count a child's end and miss its birth.
//  3. A worker counts an end and then reads `closing_`; who closes writes `closing_` and then reads
//     the counts. (Dekker.) The barrier is all on the side of who closes, once a runtime, so that a
//     fiber's end pays for two plain accesses: whoever still reads false has had its end seen.
//  4. The turn is read before the counts, and changed after them. So an end that came too late for
//     the counts ends the sleep.
//  5. A fiber from outside may end, and the runtime with it, before the call that showed it has
//     returned from the runtime's memory: which therefore stays until no such call is under way.

#include <cstdint>
#include <vector>

#include "base/atomic.h"
#include "base/time.h"
#include "sched/stats.h"

namespace weft::detail {

class Census {
 public:
  Census() = default;
  Census(const Census&) = delete;
  Census& operator=(const Census&) = delete;

  /// Before the worker counts anything. It lives as long as the census.
  void add(const FiberTally& worker) { workers_.push_back(&worker); }

  // -- By a worker.

  /// A fiber that ran there has left its stack for good.
  void count_end(FiberTally& own) noexcept {
    own.ended.add();
    if (closing_.load(std::memory_order_relaxed)) tell_of_end();  // see invariant 3
  }

  // -- By any other thread.

  /// As long as the thread is in the middle of showing a fiber to the workers.
  class OutsideCall {
   public:
    explicit OutsideCall(Census& census) noexcept : census_(census) {
      census_.outside_calls_.fetch_add(1, std::memory_order_acq_rel);
    }
    ~OutsideCall() { census_.outside_calls_.fetch_sub(1, std::memory_order_acq_rel); }
    OutsideCall(const OutsideCall&) = delete;
    OutsideCall& operator=(const OutsideCall&) = delete;

    /// Before the fiber is shown.
    void count_start() const noexcept {
      census_.started_outside_.fetch_add(1, std::memory_order_seq_cst);
    }

   private:
    Census& census_;
  };

  // -- By who waits for the end.

  struct Look {
    bool all_ended;
    std::uint32_t turn;
  };

  /// From here on every end is told to whoever is in wait().
  void close() noexcept;
  Look look() const noexcept;
  /// Until a fiber has ended since that look, or until the deadline.
  void wait(const Look& last, Nanos deadline) noexcept;
  void wait_for_outside_calls() const noexcept;

  // -- By anyone.

  struct Counts {
    std::uint64_t started = 0, ended = 0;
  };
  Counts counts() const noexcept;

 private:
  void tell_of_end() noexcept;

  // Written by threads that are no workers, each time they show a fiber; read by who closes.
  alignas(64) Atomic<unsigned> outside_calls_{0};
  Atomic<std::uint64_t> started_outside_{0};
  // Set once, by who closes; read at every fiber's end.
  alignas(64) Atomic<bool> closing_{false};
  // Changed by each end once closing; who waits sleeps on it.
  Atomic<std::uint32_t> turn_{0};
  std::vector<const FiberTally*> workers_;
};

}  // namespace weft::detail
