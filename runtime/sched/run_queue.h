#pragma once

// A worker's run queue: a bounded FIFO ring with one producer, its owner, and many consumers.
//
// Roles. The owner pushes at the tail and pops at the head. Thieves take half of what is there, at
// the head. This is the queue of Go's scheduler (proc.go, runqput, runqget, runqgrab), after the
// work of Blumofe and Leiserson.
//
// Invariants
//  1. head <= tail <= head + capacity, as counters that wrap: the ring holds [head, tail).
//  2. Only the owner writes tail and the slots; only a successful compare-and-swap moves head, and
//     whoever moved it from h to h + n owns the entries h .. h + n - 1.
//  3. The owner writes a slot only when head has moved past it, so a thief that read a slot which
//     was overwritten meanwhile fails its swap: the counters only grow, and 2^32 pushes do not fit
//     between two instructions.
//
// What breaks if reordered: the tail stored before the slot hands a thief a stale pointer; a thief
// that reads slots after its swap reads what the owner may be overwriting.
//
// The tail is published, as the wake rule wants it: see idle.h. While its owner is the solo thread
// (<weft/detail/solo.h>), thieves are newcomers until their first swap of head.

#include <array>
#include <cstddef>
#include <cstdint>

#include <weft/detail/solo.h>

#include "base/atomic.h"
#include "base/chaos.h"

namespace weft::detail {

template <class T, std::uint32_t kCapacity = chaos::kOn ? 1 : 256>
class RunQueue {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "slots are found by a mask");

 public:
  static constexpr std::uint32_t kHalf = kCapacity > 1 ? kCapacity / 2 : 1;

  // -- By the owner.

  /// False when the ring is full.
  bool push(T* item) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    // Acquire: a consumer has read the slot before it moved head. [rq-head]
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    slot(tail).store(item, std::memory_order_relaxed);
    tail_.publish(tail + 1);  // [rq-tail], [wake]
    return true;
  }

  /// The oldest item, or null.
  T* pop() noexcept {
    std::uint32_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      if (head == tail_.load(std::memory_order_relaxed)) return nullptr;
      T* const item = slot(head).load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,  // [rq-head]
                                      std::memory_order_relaxed)) {
        return item;
      }
    }
  }

  /// Moves the older half out, when the ring is full. Returns how many items were written to `out`.
  std::uint32_t take_half(std::array<T*, kHalf>& out) noexcept {
    std::uint32_t head = head_.load(std::memory_order_relaxed);
    if (tail_.load(std::memory_order_relaxed) - head < kHalf) return 0;
    for (std::uint32_t i = 0; i < kHalf; ++i)
      out[i] = slot(head + i).load(std::memory_order_relaxed);
    return head_.compare_exchange_strong(head, head + kHalf,
                                         std::memory_order_acq_rel,  // [rq-head]
                                         std::memory_order_relaxed)
               ? kHalf
               : 0;
  }

  /// How many items there are; thieves may have taken some meanwhile.
  std::uint32_t count() const noexcept {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed);
  }

  /// So many can be pushed, at least.
  std::uint32_t room() const noexcept { return kCapacity - count(); }

  // -- By a thief, into its own queue.

  /// Takes the older half from `victim`. Returns one of the items to run now and queues the rest
  /// here; null when there was nothing, or when another consumer was quicker. This queue is the
  /// caller's own, and empty enough.
  /// A lone item is left to its owner unless `even_lone`.
  T* steal_from(RunQueue& victim, bool even_lone) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    std::uint32_t head = victim.head_.load(std::memory_order_acquire);
    // Acquire: the slots below the tail are written. [rq-tail]
    const std::uint32_t available = victim.tail_.load(std::memory_order_acquire) - head;
    if (available == 0 || available > kCapacity)
      return nullptr;  // empty, or the head read was overtaken
    if (available == 1 && !even_lone) return nullptr;
    const std::uint32_t count = available - available / 2;
    const std::uint32_t room = kCapacity - (tail - head_.load(std::memory_order_acquire));
    if (count - 1 > room) return nullptr;
    T* const first = victim.slot(head).load(std::memory_order_relaxed);
    for (std::uint32_t i = 1; i < count; ++i) {
      slot(tail + i - 1)
          .store(victim.slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    if (!victim.head_.compare_exchange_strong(head, head + count,
                                              std::memory_order_acq_rel,  // [rq-head]
                                              std::memory_order_relaxed)) {
      return nullptr;
    }
    if (count > 1) tail_.publish(tail + count - 1);  // [rq-tail], [wake]
    return first;
  }

  // -- By anyone.

  /// How many items there were at some moment during the call. A zero that is read after the caller
  /// has announced itself idle is to be trusted, see idle.h.
  std::uint32_t size() const noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_seq_cst);  // [wake]
    const std::uint32_t head = head_.load(std::memory_order_seq_cst);
    return tail - head > kCapacity ? 0 : tail - head;
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  Atomic<T*>& slot(std::uint32_t index) noexcept { return slots_[index & (kCapacity - 1)]; }

  // Moved by consumers; read by the owner to find room.
  alignas(64) SharedWord<std::uint32_t> head_{0};
  // Moved by the owner; read by thieves.
  alignas(64) SharedWord<std::uint32_t> tail_{0};
  std::array<Atomic<T*>, kCapacity> slots_{};
};

}  // namespace weft::detail
