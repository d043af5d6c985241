#pragma once

// Fibers sent to one worker alone, because they are pinned there. Any thread pushes; the owner
// takes the whole chain at once, oldest first. A Treiber stack without its ABA problem: nobody pops
// a single node.

#include "base/atomic.h"
#include "fiber/fiber.h"

namespace weft::detail {

class Inbox {
 public:
  void push(Fiber& fiber) noexcept {
    Fiber* head = head_.load(std::memory_order_relaxed);
    do {
      fiber.next = head;
      // Publishes fiber.next and the fiber itself; seq_cst for the wake rule. [inbox], [wake]
    } while (!head_.compare_exchange_weak(head, &fiber, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  }

  /// By the owner: the chain of all that came, oldest first.
  Fiber* take_all() noexcept {
    if (head_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    Fiber* newest = head_.exchange(nullptr, std::memory_order_acquire);  // [inbox]
    Fiber* oldest = nullptr;
    while (newest != nullptr) {
      Fiber* const next = newest->next;
      newest->next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

  bool empty() const noexcept {
    return head_.load(std::memory_order_seq_cst) == nullptr;
  }  // [wake]
  bool looks_empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }

 private:
  alignas(64) Atomic<Fiber*> head_{nullptr};
};

/// A FIFO of fibers that one worker alone may run, out of thieves' reach. Unbounded, and needs no
/// memory.
class OwnQueue {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  void push(Fiber& fiber) noexcept {
    fiber.next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = &fiber;
    tail_ = &fiber;
  }
  Fiber* pop() noexcept {
    Fiber* const fiber = head_;
    if (fiber == nullptr) return nullptr;
    head_ = fiber->next;
    if (head_ != nullptr) {
      prefetch_stack(head_->context);
      prefetch_descriptor(head_->next);
    }
    return fiber;
  }

 private:
  Fiber* head_ = nullptr;
  Fiber* tail_ = nullptr;
};

}  // namespace weft::detail
