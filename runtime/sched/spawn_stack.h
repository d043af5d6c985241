#pragma once

#include <utility>

#include "fiber/fiber.h"

namespace weft::detail {

/// SpawnDeque where there are no thieves: the fibers that have not started, those of the last
/// spawner first, and siblings as they were spawned. Unbounded, and needs no memory.
///
/// Those at the bottom may be due (see aging.h): they keep their order, but can be taken before the
/// ones above.
class SpawnStack {
 public:
  bool empty() const noexcept { return head_ == nullptr && due_ == nullptr; }

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

  /// The first in that order, or null; null as well while those that are due wait for one that was
  /// taken early, and is to start before them.
  Fiber* pop() noexcept {
    Fiber* const fiber = head_;
    if (fiber == nullptr) [[unlikely]]
      return pop_due_in_turn();
    head_ = fiber->next;
    open_ = false;
    if (fiber == youngest_) youngest_ = nullptr;
    return fiber;
  }

  bool has_due() const noexcept { return due_ != nullptr; }
  /// All that are there are due now. None was.
  void make_all_due() noexcept {
    due_ = std::exchange(head_, nullptr);
    early_ = {};
    youngest_ = nullptr;
    open_ = false;
  }
  /// The first of them, or null.
  Fiber* pop_due() noexcept {
    Fiber* const fiber = due_;
    if (fiber != nullptr) due_ = fiber->next;
    return fiber;
  }
  /// The same, to be queued elsewhere.
  Fiber* take_early() noexcept {
    Fiber* const fiber = pop_due();
    if (fiber != nullptr) early_ = NotedFiber::of(*fiber);
    return fiber;
  }

 private:
  // Out of line, so that popping others is short.
  [[gnu::noinline]] Fiber* pop_due_in_turn() noexcept {
    const bool waits_for_early = early_.lives() && !early_.fiber->started();
    return waits_for_early ? nullptr : pop_due();
  }

  Fiber* head_ = nullptr;
  Fiber* due_ = nullptr;            // what lies below those from `head_` on
  Fiber* youngest_ = nullptr;       // of the last group; null when it has left
  const Fiber* spawner_ = nullptr;  // of that group
  NotedFiber early_;                // the last that was taken early
  bool open_ = false;               // nothing was popped since the last push
};

}  // namespace weft::detail
