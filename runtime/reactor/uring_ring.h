#pragma once

// One io_uring: entries go in, completions come out. Any thread may submit to it and any may take
// completions, each under a lock of its own, so that nobody depends on the worker it belongs to:
// others cancel here what they have begun here, and take over when its worker is stuck in a fiber.
//
//   push() --> submission queue --flush(), wait()--> kernel --> completion queue --> reap()
//     submission_lock_           the kernel's own lock              the seat
//
// So IORING_SETUP_SINGLE_ISSUER and DEFER_TASKRUN, which want one thread for all, are not for us.
// COOP_TASKRUN costs no more than they do: the kernel finishes an operation when the thread that
// submitted it next enters or leaves the kernel, at the latest with a tick of its timer, instead of
// interrupting it at once.
//
// A ring where nobody sleeps is made without it: who looks after its descriptor, elsewhere, is to
// be told at once, though the thread that submitted computes. Nothing is left in its queue, and who
// may look after the descriptor has the seat (see mixed.h).
//
// Invariants
//  1. An entry is written under submission_lock_ and shown to the kernel by a release of the tail;
//     the kernel reads up to there, whoever calls it.
//  2. Completions are read by who holds the seat. What a completion names lives until it has been
//     reaped.
//  3. Only the owner sleeps here, if anyone. An interruption is an edge of wake_up_, which an
//     operation that never ends watches: it makes a completion, so a sleep that is yet to come ends
//     at once.
//  4. What others queue they hand over themselves: a sleeping owner does not look at the queue.

#include <liburing.h>
#undef BLOCK_SIZE  // of linux/fs.h, which comes along; others have names like that

#include <cstddef>
#include <cstdint>

#include "base/atomic.h"
#include "base/spinlock.h"
#include "base/time.h"

namespace weft::detail {

/// The end of an operation: a count or a negative errno, and IORING_CQE_F_*.
struct Completion {
  int result = 0;
  std::uint32_t flags = 0;
};

class Ring {
 public:
  enum class Kind : std::uint8_t {
    kSleptIn,  ///< By its owner, when that has nothing to do.
    kWatched,  ///< Its descriptor can be read (poll(2)) as long as there are completions.
  };
  /// Throws std::system_error: the kernel, or a filter before it, refuses.
  Ring(Kind kind, unsigned entries);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // -- By anyone.

  /// Queues an entry, which `prepare(io_uring_sqe&)` fills. Its user_data is what reap() passes on;
  /// kNobody for an answer that nobody wants. 0, or an errno: the queue is full, and the kernel
  /// takes nothing. For the owner, which hands it over at the latest before it sleeps, or with
  /// flush() where it does not sleep.
  template <class Prepare>
  int push(Prepare prepare) noexcept {
    while (!try_push(prepare)) {
      if (const int error = flush()) return error;
    }
    return 0;
  }
  /// The same, and hands it over, with all that was queued before. For any thread.
  template <class Prepare>
  void push_now(Prepare prepare) noexcept {
    submission_lock_.lock();
    while (!write_entry(prepare)) flush_all();
    flush_all();
    submission_lock_.unlock();
  }
  /// Hands what is queued to the kernel. 0, or an errno; then some may still be queued. By the
  /// owner or who holds the seat; by anyone where nobody sleeps. It takes the seat meanwhile, if
  /// that is free.
  int flush() noexcept;
  /// Makes a wait() return that sleeps now or is about to.
  void interrupt() noexcept;

  Kind kind() const noexcept { return kind_; }
  int fd() const noexcept { return ring_.ring_fd; }
  /// Whether the kernel knows all the flags that it was asked for where one sleeps.
  bool is_complete() const noexcept { return (ring_.flags & IORING_SETUP_COOP_TASKRUN) != 0; }
  /// Whether anything has been queued that has not been reaped.
  bool busy() const noexcept {
    return pushed_.load(std::memory_order_relaxed) != reaped_.load(std::memory_order_relaxed);
  }
  /// Whether wait() would find anything to do.
  bool has_news() const noexcept;
  /// Whether the kernel has something to finish on the thread that submitted it.
  bool has_unfinished() const noexcept;

  bool take_seat() noexcept {
    return !seat_taken_.load(std::memory_order_relaxed) &&
           !seat_taken_.exchange(true, std::memory_order_acquire);
  }
  void leave_seat() noexcept { seat_taken_.store(false, std::memory_order_release); }
  /// A hint: the owner is in the kernel, for this ring, or another takes what has ended.
  bool is_seat_taken() const noexcept { return seat_taken_.load(std::memory_order_relaxed); }

  // -- By who holds the seat.

  /// Submits, and sleeps until there are completions, until `deadline` (0: not at all) or until
  /// interrupt(). Sleeping is for the owner alone.
  void wait(Nanos deadline) noexcept;
  /// Calls `reaped(user_data, Completion)` for at most `most` completions.
  template <class Reaped>
  void reap(unsigned most, Reaped reaped) noexcept;

  static constexpr std::uint64_t kNobody = 0;

 private:
  static constexpr std::uint64_t kWakeUp = 1;
  // So many are handed over although the worker has more to do: by then a system call is cheap.
  static constexpr unsigned kBatch = 32;

  template <class Prepare>
  bool try_push(Prepare& prepare) noexcept {
    submission_lock_.lock();
    const bool fits = write_entry(prepare);
    submission_lock_.unlock();
    // What the kernel does not take now it takes later.
    if (fits && unsubmitted() >= kBatch) flush();
    return fits;
  }
  // Under submission_lock_. False: the queue is full.
  template <class Prepare>
  bool write_entry(Prepare& prepare) noexcept {
    if (tail_ - io_uring_smp_load_acquire(ring_.sq.khead) >= ring_.sq.ring_entries) return false;
    io_uring_sqe& entry = ring_.sq.sqes[tail_ & ring_.sq.ring_mask];
    prepare(entry);
    // Release, so that who reaps has seen what the entry names. [uring-push]
    if (entry.user_data > kWakeUp)
      pushed_.store(pushed_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    io_uring_smp_store_release(ring_.sq.ktail, ++tail_);
    return true;
  }
  bool has_completions() const noexcept;
  unsigned unsubmitted() const noexcept;
  void flush_all() noexcept;  // under submission_lock_
  int enter(unsigned least, unsigned flags, const void* argument, std::size_t size) noexcept;
  void watch_wake_up() noexcept;

  io_uring ring_;
  const Kind kind_;
  int wake_up_ = -1;              // where one sleeps, an eventfd; what it counts is never read
  bool wake_up_watched_ = false;  // by who holds the seat
  alignas(64) Spinlock submission_lock_;
  unsigned tail_ = 0;  // under submission_lock_; the kernel's copy follows
  // How many operations were queued: written under submission_lock_. [uring-push]
  Atomic<std::uint64_t> pushed_{0};
  // The right to read completions.
  alignas(64) Atomic<bool> seat_taken_{false};
  // How many have ended: written by who holds the seat, a hint for others.
  Atomic<std::uint64_t> reaped_{0};
};

template <class Reaped>
void Ring::reap(unsigned most, Reaped reaped) noexcept {
  unsigned head = *ring_.cq.khead;
  const unsigned tail = io_uring_smp_load_acquire(ring_.cq.ktail);
  pushed_.load(std::memory_order_acquire);  // [uring-push]
  std::uint64_t ended = 0;
  for (; head != tail && most > 0; ++head, --most) {
    const io_uring_cqe& entry = ring_.cq.cqes[head & ring_.cq.ring_mask];
    if (entry.user_data == kWakeUp) {
      wake_up_watched_ = (entry.flags & IORING_CQE_F_MORE) != 0;
    } else if (entry.user_data != kNobody) {
      if ((entry.flags & IORING_CQE_F_MORE) == 0) ++ended;
      reaped(entry.user_data, Completion{entry.res, entry.flags});
    }
  }
  io_uring_smp_store_release(ring_.cq.khead, head);
  reaped_.store(reaped_.load(std::memory_order_relaxed) + ended, std::memory_order_relaxed);
}

}  // namespace weft::detail
