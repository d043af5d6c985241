#pragma once

#include <cstdint>

#include "fiber/fiber.h"

namespace weft::detail {

/// SpawnDeque where there are no thieves: the fibers that have not started, those of the last
/// spawner first, and siblings as they were spawned. Unbounded, and needs no memory.
class SpawnStack {
 public:
  bool empty() const noexcept { return head_ == nullptr; }

  void push(Fiber& fiber, std::uint64_t turn) noexcept {
    Fiber*& link = turn == turn_ && youngest_ != nullptr ? youngest_->next : head_;
    fiber.next = link;
    link = youngest_ = &fiber;
    turn_ = turn;
  }

  /// The first in that order, or null.
  Fiber* pop() noexcept {
    Fiber* const fiber = head_;
    if (fiber == nullptr) return nullptr;
    head_ = fiber->next;
    if (fiber == youngest_) youngest_ = nullptr;
    return fiber;
  }

 private:
  Fiber* head_ = nullptr;
  Fiber* youngest_ = nullptr;  // pushed last, in turn_; null when it has left
  std::uint64_t turn_ = 0;
};

}  // namespace weft::detail
