#pragma once

// A worker's timers: a 4-ary min-heap of deadlines behind a spinlock.
//
// Roles. The owner (the worker) arms and expires; a rescuer may expire while the owner is stuck in
// a fiber; whoever holds the waiter's frame, on any thread, cancels.
//
// Invariants, whenever the lock is free:
//  1. heap_ is a 4-ary heap by (deadline, order); an armed timer t is in heap_[t.index_].
//  2. A timer leaves the heap once: by cancel(), or by expire(), which then calls fire() before it
//     gives up the lock.
//  3. next_deadline_ is the deadline of heap_[0], or kNever.
//
// A timer's life:
//
//     idle --arm()--> queued --cancel(): true--> idle
//                        \----expire()---------> idle, then fire()
//
// Because of (2) a cancel() that returns false has waited for fire() to return. Two lines carry
// that and must keep their places: expire() marks the timer idle BEFORE fire(), and touches it no
// more afterwards, since fire() may wake the fiber whose frame the timer is in; and fire() runs
// UNDER the lock, else a canceller could return, and free the frame, while fire() still reads it.
//
// The deadlines and the tie-break live in the heap's array, not in the timers: a swarm that sleeps
// for the same time arms many equal deadlines, and to read the order from its frames, one stack
// apart and so in the same cache set, costs twice as much per timer as these wider entries.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <type_traits>

#include "base/assert.h"
#include "base/atomic.h"
#include "base/spinlock.h"
#include "base/time.h"

namespace weft::detail {

class TimerQueue;

/// Lives in the waiter's frame, which derives from it or embeds it. It must have been cancelled, or
/// have fired, before it dies; it may then be armed again, in any queue.
class Timer {
 public:
  /// Called by the expiring thread under the queue's lock: copy out what is needed and wake. It
  /// never blocks, never calls the queue, and does not touch the timer once the waiter can run.
  using Fire = void (*)(Timer&) noexcept;

  explicit Timer(Fire fire) noexcept : fire_(fire) {}
  ~Timer() { WEFT_ASSERT(!armed(), "the waiter cancels its timer before its frame ends"); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// As last armed.
  Nanos deadline() const noexcept { return deadline_; }

  /// Exact for a thread that nobody races; else a hint.
  bool armed() const noexcept { return index_.load(std::memory_order_relaxed) != kIdle; }

  /// See TimerQueue::cancel().
  inline bool cancel() noexcept;

 private:
  friend class TimerQueue;
  static constexpr std::uint32_t kIdle = std::numeric_limits<std::uint32_t>::max();

  const Fire fire_;
  // These two are written by arm() alone; a thread that cancels has learnt of the timer after that.
  TimerQueue* queue_ = nullptr;
  Nanos deadline_ = kNever;
  // The place in heap_. Written under the queue's lock, and read under it by whoever acts upon it;
  // it publishes nothing, so all its accesses are relaxed. Atomic for the sake of armed().
  Atomic<std::uint32_t> index_{kIdle};
};

class TimerQueue {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  TimerQueue() = default;
  ~TimerQueue();
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  /// Queues an idle timer. Timers of equal deadlines fire in the order of arming; one for kNever
  /// never fires. Throws std::bad_alloc before it has changed anything. By the owner alone.
  void arm(Timer& timer, Nanos deadline) {
    arm(timer, deadline, [] {});
  }

  /// The same, and calls `publish()` before anyone can fire or cancel the timer. For a waiter that
  /// may be ended as soon as it is published: armed afterwards, its frame might be gone; armed
  /// before, in the open, the timer might fire while there is no waiter to wake yet. `publish` does
  /// not call the queue.
  template <class Publish>
  std::invoke_result_t<Publish> arm(Timer& timer, Nanos deadline, Publish publish) {
    reserve(1);
    lock();
    std::lock_guard guard(lock_, std::adopt_lock);
    insert(timer, deadline);
    return publish();
  }

  /// Makes the owner's next `count` calls of arm() certain to succeed. Throws std::bad_alloc.
  void reserve(std::size_t count) {
    while (size() + count > capacity_) grow();
  }

  /// From any thread that cannot race with arm() of the same timer. True: it was queued and will
  /// never fire. False: it was idle, and if it has fired, its fire() has returned.
  static bool cancel(Timer& timer) noexcept;

  /// The earliest deadline, kNever if there is none. Lock-free, for anyone. While the owner
  /// does not arm, others can only make it later.
  Nanos next_deadline() const noexcept { return next_deadline_.load(std::memory_order_relaxed); }

  /// Fires what is due at `now`, at most `limit` timers, earliest first, and returns how many. Lets
  /// cancellers in every few timers.
  std::size_t expire(Nanos now, std::size_t limit = kNoLimit) noexcept;

  std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    Nanos deadline;
    std::uint64_t order;
    Timer* timer;

    bool before(const Entry& other) const noexcept {
      return deadline < other.deadline || (deadline == other.deadline && order < other.order);
    }
  };

  void lock() noexcept {
    if (!lock_.try_lock()) lock_contended();
  }
  void lock_contended() noexcept;
  void let_waiters_in() noexcept;
  std::size_t expire_batch(Nanos now, std::size_t limit) noexcept;
  void grow();

  // All of these under lock_. The inline ones are for the source file alone: an entry passed
  // through memory is written in parts and read whole, which stalls a call for longer than it runs.
  void insert(Timer& timer, Nanos deadline) noexcept;
  inline void place(std::size_t index, const Entry& entry) noexcept;
  inline void sift_up(std::size_t hole, const Entry& entry) noexcept;
  inline void sift_down(std::size_t hole, const Entry& entry) noexcept;
  inline void remove(std::size_t index) noexcept;
  void publish_next_deadline() noexcept;

  Spinlock lock_;
  // Threads that found the lock taken. Written by them, read by expire() between batches; it only
  // advises how long to leave the lock alone, so it is relaxed.
  Atomic<std::uint32_t> waiters_{0};
  // Written under lock_, read by anyone; the number is all it tells, so it is relaxed.
  Atomic<Nanos> next_deadline_{kNever};

  // Written under lock_. Others only ever lower it, so that the owner may read it without the lock
  // to see whether there is room; relaxed, for it publishes nothing.
  Atomic<std::size_t> size_{0};
  std::size_t capacity_ = 0;       // The owner's.
  std::unique_ptr<Entry[]> heap_;  // Under lock_.
  std::uint64_t next_order_ = 0;   // Under lock_. Wraps in 584 years of one arming a nanosecond.
};

inline bool Timer::cancel() noexcept { return TimerQueue::cancel(*this); }

}  // namespace weft::detail
