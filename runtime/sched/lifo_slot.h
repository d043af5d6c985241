#pragma once

// The item that became ready last, which its owner runs next.
//
// Roles. The owner puts and takes. A thief steals, when the owner seems stuck.
//
//   Empty --put--> Full --put--> Full, and whoever put has the item that was there
//     \------- take, steal -------/
//
// Invariants
//  1. The slot changes by exchange alone: whoever gets an item out of it, by put, take or steal, is
//     the only one to have it. A load and a store would let a thief have what the owner is about to
//     run, or the owner overwrite what it has not got back.
//  2. put() publishes the item: a thief may run it at once. [lifo]
//
// An owner that is alone has no thieves, and saves itself the locked operations. All of it is part
// of every switch, hence always inline.

#include <weft/detail/solo.h>

#include "base/atomic.h"

namespace weft::detail {

template <class T>
class LifoSlot {
 public:
  // -- By the owner. `alone`: there is nobody who could steal.

  /// What was displaced, or null: the caller's now.
  [[gnu::always_inline]] T* put(T* item, bool alone) noexcept { return replace(item, alone); }
  [[gnu::always_inline]] T* take(bool alone) noexcept { return replace(nullptr, alone); }

  // -- By a thief.

  T* steal() noexcept { return waits() ? replace(nullptr, false) : nullptr; }

  // -- By anyone.

  /// A hint. The owner alone fills the slot, so that for it an empty one stays empty.
  [[gnu::always_inline]] bool waits() const noexcept {
    return item_.load(std::memory_order_relaxed) != nullptr;
  }

 private:
  [[gnu::always_inline]] T* replace(T* item, bool alone) noexcept {
    if (!alone) return item_.exchange(item, std::memory_order_acq_rel);  // [lifo]
    T* const old = item_.load(std::memory_order_relaxed);
    item_.store(item, std::memory_order_relaxed);
    return old;
  }

  // Written by the owner and thieves, read by anyone. [lifo]
  SharedWord<T*> item_{nullptr};
};

}  // namespace weft::detail
