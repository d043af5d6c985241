#pragma once

// The queue through which fibers reach the workers from outside, and where a full run queue spills.
// Unbounded, over moodycamel's ConcurrentQueue, which this header alone knows.
//
// That queue is not linearizable: a dequeue that finds nothing proves nothing, since an item whose
// enqueue has returned may be passed over while others move. So nobody goes to sleep on its
// emptiness. `count` is raised before an item goes in and lowered after one has come out: it is
// never below the number of items, and whoever announced itself idle and then reads zero may sleep
// (idle.h). Who reads more tries again.
//
// What breaks if reordered: raised after the enqueue, the count could read zero with an item inside
// whose producer is still to check for sleepers; harmless alone, but then two items can hide behind
// one late count.

// What concurrentqueue.h includes comes first, so that it is outside of the attribute below.
#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>

// The queue orders the reuse of its blocks by fences, which ThreadSanitizer does not know: it would
// report the plain accesses to a slot. Its atomic operations are watched all the same, so what an
// item carries is checked.
#if defined(__clang__) && defined(__has_feature)
#if __has_feature(thread_sanitizer)
#pragma clang attribute push(__attribute__((no_sanitize("thread"))), apply_to = function)
#define WEFT_ATTRIBUTE_PUSHED
#endif
#endif
#include <concurrentqueue/concurrentqueue.h>
#if defined(WEFT_ATTRIBUTE_PUSHED)
#pragma clang attribute pop
#undef WEFT_ATTRIBUTE_PUSHED
#endif

#include "base/atomic.h"
#include "base/chaos.h"
#include "base/system_mutex.h"

namespace weft::detail {

template <class T>
class Injector {
  using Queue = moodycamel::ConcurrentQueue<T*>;

 public:
  /// Throws std::bad_alloc.
  Injector() { check(outside_); }

  /// A worker's own way in and out. Explicit tokens: the queue's implicit producers are found by
  /// thread id, cost a hash look-up, and those of dead threads slow every empty dequeue down for
  /// good.
  class Port {
   public:
    /// Throws std::bad_alloc.
    explicit Port(Injector& injector) : producer_(injector.queue_), consumer_(injector.queue_) {
      check(producer_);
    }

   private:
    friend class Injector;
    typename Queue::producer_token_t producer_;
    typename Queue::consumer_token_t consumer_;
  };

  /// From a worker. Throws std::bad_alloc, and then nothing has happened.
  void push(Port& port, T* const* items, std::size_t count) {
    count_.fetch_add(static_cast<std::int64_t>(count), std::memory_order_seq_cst);  // [wake]
    if (!queue_.enqueue_bulk(port.producer_, items, count)) failed(count);
  }

  /// From any other thread.
  void push(T* item) {
    count_.fetch_add(1, std::memory_order_seq_cst);  // [wake]
    std::lock_guard lock(outside_lock_);
    if (!queue_.enqueue(outside_, item)) failed(1);
  }

  std::size_t pop(Port& port, T** out, std::size_t most) noexcept {
    if (count_.load(std::memory_order_relaxed) <= 0 || chaos::strikes(chaos::Kind::kQueue, 4))
      return 0;
    const std::size_t got = queue_.try_dequeue_bulk(port.consumer_, out, most);
    if (got > 0) count_.fetch_sub(static_cast<std::int64_t>(got), std::memory_order_seq_cst);
    return got;
  }

  bool maybe_has_items() const noexcept {
    return count_.load(std::memory_order_seq_cst) > 0;
  }  // [wake]
  std::size_t size() const noexcept {
    return static_cast<std::size_t>(count_.load(std::memory_order_relaxed));
  }

 private:
  // The queue gives out tokens without a producer when there is no memory for one, and trusts its
  // user to look.
  static void check(const typename Queue::producer_token_t& token) {
    if (!token.valid()) throw std::bad_alloc();
  }
  void failed(std::size_t count) {
    count_.fetch_sub(static_cast<std::int64_t>(count), std::memory_order_seq_cst);
    throw std::bad_alloc();
  }

  Queue queue_;
  SystemMutex outside_lock_;  // not a spinlock: the queue may allocate
  typename Queue::producer_token_t outside_{
      queue_};  // one for all threads that are no workers, under the lock
  alignas(64) Atomic<std::int64_t> count_{0};
};

}  // namespace weft::detail
