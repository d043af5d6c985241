#pragma once

#include "fiber/fiber.h"

namespace weft::detail {

/// SpawnDeque where there are no thieves: the fibers that have not started, those of the last
/// spawner first, and siblings as they were spawned. Unbounded, and needs no memory.
class SpawnStack {
 public:
  bool empty() const noexcept { return head_ == nullptr; }

  void push(Fiber& fiber, const Fiber* spawner) noexcept {
    Fiber*& link = open_ && spawner == spawner_ ? youngest_->next : head_;
    fiber.next = link;
    link = youngest_ = &fiber;
    spawner_ = spawner;
    open_ = true;
  }

  /// Whether the fiber would be popped next, and is all that is left of its group.
  bool has_first_alone(const Fiber& fiber) const noexcept {
    return head_ == &fiber && youngest_ == &fiber;
  }

  /// See SpawnDeque.
  bool push_behind_group(Fiber& spawner) noexcept {
    if (&spawner != spawner_ || youngest_ == nullptr) return false;
    spawner.next = youngest_->next;
    youngest_->next = &spawner;
    spawner_ = nullptr;
    return true;
  }

  /// The first in that order, or null.
  Fiber* pop() noexcept {
    Fiber* const fiber = head_;
    if (fiber == nullptr) return nullptr;
    head_ = fiber->next;
    open_ = false;
    if (fiber == youngest_) youngest_ = nullptr;
    return fiber;
  }

 private:
  Fiber* head_ = nullptr;
  Fiber* youngest_ = nullptr;       // of the last group; null when it has left
  const Fiber* spawner_ = nullptr;  // of that group
  bool open_ = false;               // nothing was popped since the last push
};

}  // namespace weft::detail
