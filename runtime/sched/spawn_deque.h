#pragma once

// The fibers that were spawned by a worker and have not started: a bounded deque of its owner's.
//
// Roles. The owner pushes and pops at the tail, behind a lock that costs it next to nothing
// (OwnerLock). Thieves ask, and the owner gives them the older half when it is there the next time;
// from an owner that does not come, because it computes, they take it themselves. So a tree of
// tasks runs depth first, however many there are, and a thief leaves with the roots of the largest
// parts.
//
// Order. Depth first, but siblings as they were spawned: what one fiber pushed before it let others
// run is a group. When the owner comes back for the first of a group the group is turned around, so
// that popping at the tail finds it in order. A spawner that waited for the first of them is queued
// behind the others, for which it would wait next.
//
// Invariants
//  1. The deque holds [head, tail), as counters that wrap. All of it is changed inside the lock:
//  the
//     head by whoever is inside, the rest by the owner.
//  2. What lies ready in the parcel is still in the deque, until the owner has given it; then it is
//     the asker's, and nobody touches the parcel before that one is done.
//
// Nothing is published here: who looks from outside sees hints. An owner that has such fibers is
// awake, and runs them; see idle.h for what that means to sleepers.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/atomic.h"
#include "base/chaos.h"
#include "base/owner_lock.h"

namespace weft::detail {

template <class T, std::uint32_t kCapacity = chaos::kOn ? 2 : 4096>
class SpawnDeque {
  static_assert((kCapacity & (kCapacity - 1)) == 0, "slots are found by a mask");

 public:
  /// What a thief leaves with: the older half, but no more than fits.
  static constexpr std::uint32_t kMostAtOnce = std::min(kCapacity / 2, 128U);
  using Batch = std::array<T*, kMostAtOnce>;

  // -- By the owner.

  // The first two are part of each spawn and each start: what is rare is out of line, at their
  // ends.

  /// False when the deque is full. `spawner` null: the item belongs to no group.
  [[gnu::always_inline]] bool push(T* item, const T* spawner) noexcept {
    if (!lock_.enter_if_quiet()) [[unlikely]]
      return push_with_care(item, spawner);
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const bool has_room = tail - head_.load(std::memory_order_relaxed) != kCapacity;
    const bool is_another = spawner != spawner_;
    if (!has_room || (is_another && !settled_)) [[unlikely]] {
      lock_.leave();
      return has_room && push_with_care(item, spawner);
    }
    if (is_another || settled_) begin_group(spawner, tail);
    append(item, tail);
    lock_.leave();
    return true;
  }

  /// The first in that order, if that is no work; null: then pop() will tell.
  [[gnu::always_inline]] T* pop_quickly() noexcept {
    if (!lock_.enter_if_quiet()) [[unlikely]]
      return nullptr;
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    T* item = nullptr;
    if (tail != head && is_in_order(tail)) [[likely]] {
      item = slot(tail - 1).load(std::memory_order_relaxed);
      drop_newest(tail, head);
    }
    lock_.leave();
    return item;
  }

  /// The first in that order, or null.
  T* pop() noexcept {
    enter();
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    T* item = nullptr;
    if (tail != head) {
      settle(tail);
      item = slot(tail - 1).load(std::memory_order_relaxed);
      drop_newest(tail, head);
    }
    lock_.leave();
    return item;
  }

  /// Whether it would be popped now, and nothing is left of its group. If so, it has been.
  bool pop_if_first(const T* item) noexcept {
    enter();
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    const bool is_first = tail != head && tail - bottom_of_group() == 1 &&
                          slot(tail - 1).load(std::memory_order_relaxed) == item;
    if (is_first) drop_newest(tail, head);
    lock_.leave();
    return is_first;
  }

  /// What has waited longest, or null.
  T* pop_oldest() noexcept {
    enter();
    T* const item =
        count() > 0 ? slot(head_.load(std::memory_order_relaxed)).load(std::memory_order_relaxed)
                    : nullptr;
    if (item != nullptr) drop_oldest(1);
    lock_.leave();
    return item;
  }

  /// Puts a fiber behind the group that it has spawned, if some of that is left on top. False:
  /// nothing was done.
  bool push_behind_group(T* spawner) noexcept {
    if (!has_group_of(spawner)) return false;
    enter();
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint32_t bottom = bottom_of_group();
    const bool fits = bottom != tail && count() < kCapacity;
    if (fits) {
      for (std::uint32_t i = tail; i != bottom; --i) {
        slot(i).store(slot(i - 1).load(std::memory_order_relaxed), std::memory_order_relaxed);
      }
      slot(bottom).store(spawner, std::memory_order_relaxed);
      tail_.store(tail + 1, std::memory_order_relaxed);
      spawner_ = nullptr;
    }
    lock_.leave();
    return fits;
  }
  /// Whether some of what it has spawned is left on top, but for what thieves have come for.
  bool has_group_of(const T* spawner) const noexcept {
    return spawner == spawner_ && settled_ &&
           above(tail_.load(std::memory_order_relaxed), group_) > 0;
  }

  /// Gives to who asks, if somebody does.
  void come_by() noexcept {
    enter();
    lock_.leave();
  }
  /// See OwnerLock.
  void have_barrier(bool quick) noexcept { lock_.have_barrier(quick); }

  // -- By a thief. Both return how many it was.

  /// Waits for the owner to give it up to so many, as long as `waits()`. A lone one is not given.
  template <class Waits>
  std::uint32_t ask(Batch& out, std::uint32_t most, Waits waits) noexcept {
    if (!lock_.ask(most)) return 0;
    while (!lock_.is_given()) {
      if (!waits() && lock_.withdraw(most)) return 0;
    }
    return take_parcel(out);
  }
  /// Takes them, a lone one too, unless the owner comes by meanwhile. Zero as well when another
  /// thief is at it.
  std::uint32_t force(Batch& out) noexcept {
    if (!lock_.ask(kAll)) return 0;
    if (!lock_.seize(kAll)) return take_parcel(out);
    const std::uint32_t taken = std::min((count() + 1) / 2, kMostAtOnce);
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    for (std::uint32_t i = 0; i < taken; ++i)
      out[i] = slot(head + i).load(std::memory_order_relaxed);
    if (taken > 0) drop_oldest(taken);
    lock_.done();
    return taken;
  }

  // -- By anyone. Hints, but for the owner.

  std::uint32_t count() const noexcept {
    const std::uint32_t count =
        tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed);
    return count <= kCapacity ? count : 0;  // they were not read at once
  }
  bool empty() const noexcept { return count() == 0; }
  /// How often it has become empty: while that stays the same, the oldest stays where it is, but
  /// for thieves.
  std::uint32_t times_emptied() const noexcept { return emptied_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kAll = std::uint32_t{1} << 31;

  static std::int32_t above(std::uint32_t index, std::uint32_t base) noexcept {
    return static_cast<std::int32_t>(index - base);
  }
  Atomic<T*>& slot(std::uint32_t index) noexcept { return slots_[index & (kCapacity - 1)]; }

  [[gnu::always_inline]] void enter() noexcept {
    if (const std::uint32_t asked = lock_.enter()) [[unlikely]]
      answer(asked);
  }
  [[gnu::noinline]] bool push_with_care(T* item, const T* spawner) noexcept {
    enter();
    const std::uint32_t tail = tail_.load(std::memory_order_relaxed);
    const bool has_room = count() < kCapacity;
    if (has_room) {
      if (spawner != spawner_ && !settled_) settle(tail);  // another is to lie upon it
      if (settled_) begin_group(spawner, tail);
      append(item, tail);
    }
    lock_.leave();
    return has_room;
  }
  std::uint32_t take_parcel(Batch& out) noexcept {
    const std::uint32_t given = given_;
    for (std::uint32_t i = 0; i < given; ++i) out[i] = parcel_[i].load(std::memory_order_relaxed);
    lock_.done();
    return given;
  }
  // Inside afterwards.
  [[gnu::noinline]] void answer(std::uint32_t asked) noexcept {
    for (; asked > 0; asked = lock_.enter_again()) {
      const std::uint32_t given = lay_out(asked);
      if (!lock_.give(asked)) continue;
      if (given > 0) drop_oldest(given);
      return;
    }
  }
  // Not yet inside: but nobody else is, as long as it is asked for.
  std::uint32_t lay_out(std::uint32_t asked) noexcept {
    const std::uint32_t waiting = count();
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    given_ = waiting > 1 ? std::min({(waiting + 1) / 2, asked, kMostAtOnce}) : 0;
    const std::uint32_t given = given_;
    for (std::uint32_t i = 0; i < given; ++i) {
      parcel_[i].store(slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    return given;
  }

  // ---- Inside the lock.

  void append(T* item, std::uint32_t tail) noexcept {
    slot(tail).store(item, std::memory_order_relaxed);
    tail_.store(tail + 1, std::memory_order_relaxed);
  }
  void drop_newest(std::uint32_t tail, std::uint32_t head) noexcept {
    settled_ = true;
    tail_.store(tail - 1, std::memory_order_relaxed);
    if (tail - 1 == head) note_emptied();
  }
  void drop_oldest(std::uint32_t taken) noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed) + taken;
    head_.store(head, std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_relaxed)) note_emptied();
  }
  void note_emptied() noexcept {
    emptied_.store(emptied_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Thieves may have taken some of it.
  std::uint32_t bottom_of_group() const noexcept {
    const std::uint32_t head = head_.load(std::memory_order_relaxed);
    return above(group_, head) > 0 ? group_ : head;
  }
  // Whether popping finds the last group as it was pushed.
  bool is_in_order(std::uint32_t tail) const noexcept {
    return settled_ || tail - group_ == 1 || spawner_ == nullptr;
  }
  void begin_group(const T* spawner, std::uint32_t tail) noexcept {
    settled_ = false;
    spawner_ = spawner;
    group_ = tail;
  }
  void settle(std::uint32_t tail) noexcept {
    if (!is_in_order(tail)) turn_around(bottom_of_group(), tail);
    settled_ = true;
  }
  void turn_around(std::uint32_t from, std::uint32_t to) noexcept {
    for (; above(to, from) > 1; ++from) {
      --to;
      T* const older = slot(from).load(std::memory_order_relaxed);
      slot(from).store(slot(to).load(std::memory_order_relaxed), std::memory_order_relaxed);
      slot(to).store(older, std::memory_order_relaxed);
    }
  }

  // Written inside the lock, and read as hints outside. [counts]
  alignas(64) Atomic<std::uint32_t> head_{0};
  Atomic<std::uint32_t> tail_{0};
  Atomic<std::uint32_t> emptied_{0};
  // Only the owner: where the last group begins, who spawned it, and whether it is in order.
  std::uint32_t group_ = 0;
  const T* spawner_ = nullptr;
  bool settled_ = true;
  OwnerLock lock_;
  std::uint32_t given_ = 0;
  std::array<Atomic<T*>, kCapacity> slots_{};
  std::array<Atomic<T*>, kMostAtOnce> parcel_{};
};

}  // namespace weft::detail
