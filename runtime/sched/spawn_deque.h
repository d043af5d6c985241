#pragma once

// The fibers that were spawned by a worker and have not started: a bounded deque with one producer.
//
// Roles. The owner pushes and pops at the tail; thieves take one at a time at the head, the oldest.
// So a tree of tasks runs depth first, however many there are, and a thief leaves with the root of
// the largest part of it. This is the deque of Chase and Lev (SPAA 2005), over a ring that does not
// grow.
//
// Order. Depth first, but siblings as they were spawned: what one fiber pushed before it let others
// run is a group. When the owner comes back for the first of a group it takes the oldest and turns
// the rest around, so that popping at the tail finds them in order. A spawner that waited for the
// first of them is queued behind the others, for which it would wait next.
//
// Invariants
//  1. The deque holds [head, tail), as counters that wrap. Only the owner moves tail; head only
//     grows, and whoever moved it from h to h + 1 owns the entry h.
//  2. The owner lowers tail, seq_cst, before it looks at head, and a thief reads head before tail.
//     If the owner then finds head below the new tail, every thief that gets so far sees that tail:
//     what lies above it is the owner's. At the new tail or beyond, a thief may be under way with
//     the old one, and the owner must win an entry as a thief does. [sd-tail]
//  3. Thus, after it has won the entry h while tail is h or less, all above h is the owner's: a
//     thief that comes later sees nothing, and one that came before holds an old head.
//  4. The owner writes a slot only when it owns it or head has moved past it, so a thief that read
//     a slot which was overwritten meanwhile fails its swap.
//
// Where the owner is the solo thread (<weft/detail/solo.h>) it lowers tail without a barrier. There
// a thief's first swap of head has one, and waits for the owner to be one of many: it moves head by
// one at most on the word of an old tail, to an entry that the owner takes only by a swap.
//
// What breaks if reordered: head read before tail is lowered, and owner and thief run the same
// fiber; a thief that reads tail before head, likewise.
//
// While a group is turned around, or moved, it is hidden, and who looks for work then finds none:
// the owner has to ask again whether to wake somebody. See idle.h.

#include <array>
#include <cstddef>
#include <cstdint>

#include <weft/detail/solo.h>

#include "base/atomic.h"
#include "base/chaos.h"

namespace weft::detail {

template <class T, std::uint32_t kCapacity = chaos::kOn ? 2 : 256>
class SpawnDeque {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "slots are found by a mask");

 public:
  // -- By the owner.

  /// False when the deque is full. `spawner` null: the item belongs to no group.
  bool push(T* item, const T* spawner) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    // Acquire: a thief has read the slot before it moved head. [sd-head]
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    if (spawner != spawner_ || settled_) {
      if (has_group()) settle_group();
      settled_ = false;
      spawner_ = spawner;
      group_ = tail_.load(std::memory_order_relaxed);
    }
    append(item);
    return true;
  }

  /// Whether the last group is still as it was pushed, and of several.
  bool has_group() const noexcept { return !settled_ && spawner_ != nullptr && group_size() > 1; }

  /// The newest item, or null.
  T* pop() noexcept {
    const std::uint32_t end = tail_.load(std::memory_order_relaxed);
    if (end == head_.load(std::memory_order_relaxed)) return nullptr;
    settled_ = true;
    const std::uint32_t last = end - 1;
    std::uint32_t head = lower_tail(last);
    T* item = slot(last).load(std::memory_order_relaxed);
    if (above(last, head) > 0) return item;
    if (head != last || !win(head)) item = nullptr;
    tail_.store(end, std::memory_order_relaxed);
    return item;
  }

  /// The oldest item of the last group, or null; the others will come out in order.
  T* pop_group() noexcept {
    const std::uint32_t end = tail_.load(std::memory_order_relaxed);
    std::uint32_t head = lower_tail(group_);
    T* oldest = nullptr;
    settled_ = true;
    if (above(group_, head) > 0) {
      turn_around(group_, end);
      oldest = slot(end - 1).load(std::memory_order_relaxed);
      tail_.publish(end - 1);  // [sd-tail], [wake]
      return oldest;
    }
    // Thieves have come to the group.
    for (; head != end;) {
      oldest = slot(head).load(std::memory_order_relaxed);
      if (!win(head)) continue;
      turn_around(head + 1, end);
      tail_.publish(end);  // [sd-tail], [wake]
      return oldest;
    }
    tail_.store(end, std::memory_order_relaxed);
    return nullptr;
  }

  bool has_room() const noexcept { return count() < kCapacity; }
  /// Puts a fiber behind the group that it has spawned, if some of that is left on top. False:
  /// nothing was done; thieves may be at it.
  bool push_behind_group(T* spawner) noexcept {
    if (!has_group_of(spawner) || !has_room()) return false;
    const std::uint32_t end = tail_.load(std::memory_order_relaxed);
    const bool ours = above(group_, lower_tail(group_)) > 0;
    if (ours) {
      for (std::uint32_t i = end; i != group_; --i) {
        slot(i).store(slot(i - 1).load(std::memory_order_relaxed), std::memory_order_relaxed);
      }
      slot(group_).store(spawner, std::memory_order_relaxed);
      spawner_ = nullptr;
    }
    tail_.publish(end + (ours ? 1 : 0));  // [sd-tail], [wake]
    return ours;
  }
  /// Whether some of what it has spawned is left on top.
  bool has_group_of(const T* spawner) const noexcept {
    return spawner == spawner_ && settled_ && group_size() > 0;
  }

  /// How many items there are; thieves may have taken some meanwhile.
  std::uint32_t count() const noexcept {
    return tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed);
  }
  /// The newest item, for a comparison alone.
  const T* newest() noexcept {
    return slot(tail_.load(std::memory_order_relaxed) - 1).load(std::memory_order_relaxed);
  }

  // -- By a thief, or by the owner in its place.

  /// The oldest item; null when there is none, or when somebody else was quicker.
  T* steal() noexcept {
    std::uint32_t head = head_.load(std::memory_order_seq_cst);
    if (above(tail_.load(std::memory_order_seq_cst), head) <= 0) return nullptr;  // [sd-tail]
    T* const item = slot(head).load(std::memory_order_relaxed);
    return win(head) ? item : nullptr;
  }

  // -- By anyone.

  /// How many items there were at some moment during the call. A zero that is read after the caller
  /// has announced itself idle is to be trusted, but for a group that is being turned around.
  std::uint32_t size() const noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_seq_cst);  // [wake]
    const std::int32_t size = above(tail, head_.load(std::memory_order_seq_cst));
    return size > 0 ? static_cast<std::uint32_t>(size) : 0;
  }
  bool empty() const noexcept { return size() == 0; }

 private:
  static std::int32_t above(std::uint32_t index, std::uint32_t base) noexcept {
    return static_cast<std::int32_t>(index - base);
  }
  std::int32_t group_size() const noexcept {
    return above(tail_.load(std::memory_order_relaxed), group_);
  }
  Atomic<T*>& slot(std::uint32_t index) noexcept { return slots_[index & (kCapacity - 1)]; }

  void append(T* item) noexcept {
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    slot(tail).store(item, std::memory_order_relaxed);
    tail_.publish(tail + 1);  // [sd-tail], [wake]
  }
  // Another group is to lie upon it.
  void settle_group() noexcept {
    if (T* const oldest = pop_group()) append(oldest);
  }
  // Returns the head as it is after that.
  std::uint32_t lower_tail(std::uint32_t tail) noexcept {
    tail_.publish(tail);  // [sd-tail]
    return head_.load(std::memory_order_seq_cst);
  }
  // The entry `head`; or `head` is what it has become.
  bool win(std::uint32_t& head) noexcept {
    return head_.compare_exchange_strong(head, head + 1, std::memory_order_seq_cst,  // [sd-head]
                                         std::memory_order_seq_cst);
  }
  void turn_around(std::uint32_t from, std::uint32_t to) noexcept {
    for (; above(to, from) > 1; ++from) {
      --to;
      T* const older = slot(from).load(std::memory_order_relaxed);
      slot(from).store(slot(to).load(std::memory_order_relaxed), std::memory_order_relaxed);
      slot(to).store(older, std::memory_order_relaxed);
    }
  }

  // Moved by thieves, and by the owner at the last item; read by the owner to find room.
  alignas(64) SharedWord<std::uint32_t> head_{0};
  // Moved by the owner; read by thieves.
  alignas(64) SharedWord<std::uint32_t> tail_{0};
  // Only the owner: where the last group begins, who spawned it, and whether it is in order.
  std::uint32_t group_ = 0;
  bool settled_ = true;
  const T* spawner_ = nullptr;
  std::array<Atomic<T*>, kCapacity> slots_{};
};

}  // namespace weft::detail
