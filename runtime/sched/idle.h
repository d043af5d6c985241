#pragma once

// Who is asleep, who is looking for work, and whom to wake: sleeping without a lost wake-up.
//
// Roles. A producer publishes work (a run queue's tail, the injector's count, an inbox) and then
// asks pick() whom to wake. A worker that runs dry searches; when it finds nothing it announces
// itself asleep, looks once more, and only then sleeps.
//
//   Awake --begin_search--> Searching --found: end_search--> Awake
//     \________ announce ______/ |
//            v                   v
//         Asleep  --pick by a producer--> Searching (counted so on its behalf)
//            |---- pick for its inbox --> Awake
//            \---- leave by itself -----> Awake (a deadline, an event, the second look)
//
// Invariants
//  1. Publication and the load in pick() are seq_cst, and so are the announcement and the loads of
//     the second look. In their one total order either the producer sees the sleeper, or the
//     sleeper sees the work. (Dekker.) A solo thread publishes without a barrier; then whoever
//     looks after an announcement, or after the end of its search, has one on all threads in
//     between: WorkerParty::settle(), arrive().
//  2. A producer wakes nobody while somebody searches. So a searcher that finds work and is the
//     last one must wake the next (end_search), and the last one to give up must look again after
//     announcing (announce).
//  3. A worker is in the list of sleepers exactly while its entry says Asleep; who takes it off
//     decides how it counts.
//
// One exception is meant: the LIFO slot, a lone fiber in a run queue, and fibers that have not
// started wake nobody for sure, since their owner is awake and will run them (Worker::offer). If it
// is stuck in a fiber instead, a searcher, a busy worker (Worker::relieve_others) or the monitor
// takes them over.
//
// What breaks if reordered: a second look before the announcement misses what is published between
// them, and its producer has seen nobody to wake. A count lowered after the second look makes a
// producer rely on a searcher that has stopped searching.
//
// Waking at most one follows Go (proc.go, "Worker thread parking/unparking") and Tokio
// (multi_thread/idle.rs).

#include <cstdint>
#include <vector>

#include "base/atomic.h"
#include "base/spinlock.h"

namespace weft::detail {

class Idle {
 public:
  static constexpr int kNobody = -1;

  explicit Idle(unsigned workers);

  // -- By a worker, about itself.

  /// False when enough others search already: half of those awake.
  bool begin_search() noexcept;
  /// True when the caller was the last searcher, and must pick() the next.
  [[nodiscard]] bool end_search() noexcept;
  /// Goes to the sleepers; as the last to be picked, if it watches the driver. True when nobody
  /// searches any more, so that the caller must look at every queue again; otherwise its own inbox
  /// is enough.
  [[nodiscard]] bool announce(unsigned worker, bool was_searching, bool watches_driver) noexcept;

  enum class Left : std::uint8_t {
    kByItself,  ///< Nobody had picked it.
    kToSearch,  ///< Picked for work: it counts as a searcher, and a token is in its parker or on
                ///< its way.
    kForInbox,  ///< Picked for its inbox: likewise a token, but it does not count as a searcher.
  };
  Left leave(unsigned worker) noexcept;

  // -- By a producer, after publishing.

  /// Whom to unpark for work that anyone may run; kNobody when nobody sleeps or somebody searches.
  int pick() noexcept {
    const std::uint64_t state = state_.load(std::memory_order_seq_cst);  // [wake]
    if (searching(state) != 0 || awake(state) == workers_) return kNobody;
    return pick_slowly();
  }
  /// True when `worker` sleeps and is to be unparked for its inbox.
  bool pick(unsigned worker) noexcept;
  /// Whom to unpark although somebody may search, for a reason that searching does not cover.
  int pick_any() noexcept;

  unsigned searching() const noexcept { return searching(state_.load(std::memory_order_relaxed)); }
  unsigned awake() const noexcept { return awake(state_.load(std::memory_order_seq_cst)); }

 private:
  enum class Entry : std::uint8_t { kAwake, kAsleep, kPickedToSearch, kPickedForInbox };

  static constexpr std::uint64_t kOneSearching = 1;
  static constexpr std::uint64_t kOneAwake = std::uint64_t{1} << 32;
  static unsigned searching(std::uint64_t state) noexcept {
    return static_cast<std::uint32_t>(state);
  }
  static unsigned awake(std::uint64_t state) noexcept { return static_cast<unsigned>(state >> 32); }

  int pick_slowly() noexcept;
  int take_sleeper() noexcept;            // under lock_
  void remove(unsigned worker) noexcept;  // under lock_

  // How many search (low half) and how many are awake (high half, searchers included). Changed by
  // read-modify-write only; read by every producer. [wake]
  alignas(64) Atomic<std::uint64_t> state_;
  const unsigned workers_;  // beside state_, whose readers want it
  // Kept apart from state_, which producers read all the time.
  alignas(64) Spinlock lock_;
  std::vector<Entry> entries_;  // under lock_; the size is constant
  std::vector<unsigned>
      sleepers_;  // under lock_; the last to fall asleep is the first to wake: it is warm
};

}  // namespace weft::detail
