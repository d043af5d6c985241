#pragma once

// Where descriptors come from. They are carved from chunks that live as long as the process: a
// handle may outlive the runtime that made its fiber, and a stale pointer must stay readable. What
// grows is bounded by the largest number of fibers that were ever alive at once.

#include <cstddef>
#include <mutex>
#include <utility>

#include "base/chaos.h"
#include "fiber/fiber.h"

namespace weft::detail {

/// Descriptors that nobody has a handle to, of fibers that are yet to leave their stacks on some
/// other worker: free as soon as their `life` says so. Not thread-safe.
class FibersAside {
 public:
  void push(Fiber* fiber) noexcept {
    fiber->next = first_;
    first_ = fiber;
    ++count_;
  }
  std::size_t count() const noexcept { return count_; }
  /// Calls `free(Fiber*)` on each that has become free.
  template <class Free>
  void sweep(Free&& free) noexcept {
    Fiber* fiber = std::exchange(first_, nullptr);
    count_ = 0;
    while (fiber != nullptr) {
      Fiber* const next = fiber->next;
      // Acquire: the worker that it left has done with it. [life]
      if (fiber->life.load(std::memory_order_acquire) == Life::kRetired) {
        free(fiber);
      } else {
        push(fiber);
      }
      fiber = next;
    }
  }
  /// Empties it: the first of a chain by `next`.
  Fiber* take_all() noexcept {
    count_ = 0;
    return std::exchange(first_, nullptr);
  }

 private:
  Fiber* first_ = nullptr;
  std::size_t count_ = 0;
};

class FiberPool {
 public:
  static FiberPool& instance() noexcept;

  /// A chain of `count` free descriptors linked by `next`, or fewer. Throws std::bad_alloc when
  /// there is none.
  Fiber* take(std::size_t count);
  /// Takes back the chain from `first` to `last`.
  void give(Fiber* first, Fiber* last) noexcept;
  /// Takes back a descriptor whose fiber may still be on its way off the stack.
  void put_aside(Fiber* fiber) noexcept;

  /// Calls `visit(Fiber&)` on every descriptor ever made, free or not. They may change meanwhile.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (Chunk* chunk = chunks_.load(std::memory_order_acquire); chunk != nullptr;
         chunk = chunk->next) {
      for (Fiber& fiber : chunk->fibers) visit(fiber);
    }
  }

  std::size_t capacity() const noexcept { return capacity_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kChunkFibers = 128;
  struct Chunk {
    Fiber fibers[kChunkFibers];
    Chunk* next = nullptr;
  };

  // Room for many chunks, which follow it.
  struct alignas(64) Slab {
    Slab* next;
    std::size_t used = 0;
    Chunk* chunks() noexcept { return reinterpret_cast<Chunk*>(this + 1); }
  };
  static constexpr std::size_t kSlabSize = std::size_t{2} << 20;
  static constexpr std::size_t kChunksInSlab = (kSlabSize - sizeof(Slab)) / sizeof(Chunk);
  static constexpr std::size_t kFibersBeforeSlabs = 4096;

  constexpr FiberPool() = default;
  void grow();  // under mutex_
  Chunk* new_chunk();
  Chunk* new_chunk_in_slab() noexcept;  // null: no memory

  std::mutex mutex_;
  Fiber* free_ = nullptr;  // under mutex_
  FibersAside aside_;      // under mutex_
  Slab* slabs_ = nullptr;  // under mutex_
  // The chunks, newest first. Pushed under the lock, read by anyone. [chunks]
  Atomic<Chunk*> chunks_{nullptr};
  Atomic<std::size_t> capacity_{0};
};

/// A worker's own store of free descriptors. Not thread-safe.
class FiberCache {
 public:
  FiberCache() = default;
  FiberCache(const FiberCache&) = delete;
  FiberCache& operator=(const FiberCache&) = delete;
  ~FiberCache();

  Fiber* acquire() {
    if (free_ == nullptr) refill();
    Fiber* fiber = free_;
    free_ = fiber->next;
    --count_;
    return fiber;
  }
  void release(Fiber* fiber) noexcept {
    fiber->next = free_;
    free_ = fiber;
    if (++count_ > 2 * kBatch) drain(kBatch);
  }
  /// Like release(), of a descriptor whose fiber may still be on its way off the stack.
  void put_aside(Fiber* fiber) noexcept {
    aside_.push(fiber);
    if (aside_.count() > kMostAside) sweep();
  }

 private:
  static constexpr std::size_t kBatch = chaos::kOn ? 1 : 128;
  static constexpr std::size_t kMostAside = chaos::kOn ? 1 : 64;
  void refill();
  void drain(std::size_t keep) noexcept;
  void sweep() noexcept;

  FibersAside aside_;
  Fiber* free_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace weft::detail
