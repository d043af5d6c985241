#pragma once

// Where fibers get their stacks and give them back.
//
//   worker's StackCache  --- chains of free stacks --->  runtime's StackDepot  --- mmap --->  slabs
//     hot list, spare chain    <---------------------      warm and cold chains
//
//   a slab:  | guard | stack | guard | stack | ...  not carved yet ... |
//
// A cache is one worker's and needs no lock: acquire and release are a pop and a push, last in
// first out, so that a new fiber runs on the stack that is warmest in the processor's cache. Two
// chains a size class make it steady: a worker that goes to and fro around the bound exchanges
// whole chains with the depot, each at once and only after as many acquires or releases as a chain
// is long. Slots are carved when they are first needed, a few at a time, because a guard costs more
// than half a microsecond.
//
// Memory goes back to the kernel only when an idle worker trims, never because a fiber ended: the
// next fiber would pay 2 to 3 us a page to fault it in again. What stays is bounded by the stacks
// that were once in use.
//
// Not chosen: mmap and mprotect for each stack (7 us, two mappings each: 32,750 stacks and no
// more); one free list in the depot (a lock for each fiber, and cold stacks); offsetting stack tops
// against each other in the cache (measured: no difference beyond noise, and it spends the one page
// that a parked fiber touches).

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/atomic.h"
#include "base/system_mutex.h"
#include "fiber/guard.h"
#include "fiber/sanitizer.h"
#include "fiber/stack.h"

namespace weft::detail {

class StackCache;

struct StackStats {
  std::size_t mapped_bytes = 0;  // address space, most of it untouched
  std::size_t carved = 0;        // stacks that exist
  // Of these, neither in a cache nor in the depot. Approximate while workers run.
  std::size_t in_use = 0;
  std::size_t guarded_by_kernel = 0;
  std::size_t guarded_by_mprotect = 0;
  std::size_t unguarded = 0;  // an overflow of these is noticed only when the fiber ends
};

struct StackDepotOptions {
  GuardPolicy guard = GuardPolicy::kAuto;
  /// Null: the process's own.
  GuardBudget* budget = nullptr;
  /// Returns null when memory is out. Null: mmap.
  void* (*map_slab)(std::size_t bytes) noexcept = nullptr;
  /// Free stacks that trim() leaves warm, a size class.
  std::size_t warm_bytes = std::size_t{16} << 20;
};

/// Free stacks linked by `next`; the first holds the count.
struct StackChain {
  Stack* head = nullptr;
  std::size_t count = 0;
};

/// One for each runtime. Thread-safe. Must outlive its caches; when it dies, every stack must be
/// back.
class StackDepot {
 public:
  explicit StackDepot(GuardPolicy policy = GuardPolicy::kAuto) noexcept
      : StackDepot(StackDepotOptions{.guard = policy}) {}
  explicit StackDepot(const StackDepotOptions& options) noexcept;
  ~StackDepot();
  StackDepot(const StackDepot&) = delete;
  StackDepot& operator=(const StackDepot&) = delete;

  StackStats stats() const noexcept;

 private:
  friend class StackCache;

  struct Slab;
  struct RecordChunk;
  struct Claim;

  class ChainList {
   public:
    void push(StackChain chain) noexcept;
    StackChain pop() noexcept;
    std::size_t stacks() const noexcept { return stacks_; }

   private:
    Stack* first_ = nullptr;
    std::size_t stacks_ = 0;
  };
  struct Class {
    ChainList warm;  // as their last fiber left them
    ChainList cold;  // their memory has gone back to the kernel
    Slab* slab = nullptr;
  };

  StackChain take(std::uint8_t size_class) noexcept;
  void give(std::uint8_t size_class, StackChain chain) noexcept;
  bool trim() noexcept;
  void attach(StackCache& cache) noexcept;
  void detach(StackCache& cache) noexcept;

  StackChain carve(std::uint8_t size_class) noexcept;
  Claim claim(std::uint8_t size_class) noexcept;
  Slab* slab_with_room(std::uint8_t size_class) noexcept;
  RecordChunk* records_with_room() noexcept;
  GuardKind prepare(Stack& stack, std::byte* slot, std::uint8_t size_class, Slab& slab) noexcept;
  std::size_t free_stacks() const noexcept;

  const StackDepotOptions options_;
  GuardBudget& budget_;
  const GuardKind strongest_;

  // Not a spinlock: claiming a slab maps and allocates. Taken once a chain, so hardly ever
  // contended.
  mutable SystemMutex mutex_;
  // All under mutex_.
  std::array<Class, kStackSizeClasses> classes_{};
  Slab* slabs_ = nullptr;
  RecordChunk* records_ = nullptr;
  StackCache* caches_ = nullptr;
  StackStats stats_;  // except in_use
};

/// One for each worker, which alone may call it.
class StackCache {
 public:
  explicit StackCache(StackDepot& depot) noexcept;
  ~StackCache();
  StackCache(const StackCache&) = delete;
  StackCache& operator=(const StackCache&) = delete;

  /// A stack of the class (see size_class_for), or null with errno ENOMEM when there is no memory
  /// for one. Leaves errno alone otherwise.
  Stack* acquire(std::uint8_t size_class) noexcept {
    if (Stack* const hot = take_hot(size_class)) return hot;
    return refill(size_class) ? take_hot(size_class) : nullptr;
  }
  /// The same, without looking further than its own: null when it has none at hand.
  Stack* take_hot(std::uint8_t size_class) noexcept {
    Bin& bin = bins_[size_class];
    Stack* const stack = bin.hot;
    if (stack == nullptr) [[unlikely]]
      return nullptr;
    bin.hot = stack->next;
    bin.set_hot_count(bin.hot_count() - 1);
    if constexpr (kMarksFreeStacks) mark_in_use(*stack);
    return stack;
  }

  /// Takes back a stack, which may come from any cache of the same depot. Nothing runs on it any
  /// more. Aborts if the stack had no guard and its fiber ran over its end.
  void release(Stack* stack) noexcept {
    if (!stack->guarded) check_canary(*stack);
    const Bin& bin = bins_[stack->size_class];
    if (bin.hot_count() == bin.chain_length) spill(stack->size_class);
    push_hot(*stack);
  }
  /// The same, where it is no work. False: nothing was done.
  bool keep(Stack* stack) noexcept {
    const Bin& bin = bins_[stack->size_class];
    if (!stack->guarded || bin.hot_count() == bin.chain_length) [[unlikely]]
      return false;
    push_hot(*stack);
    return true;
  }

  /// For a worker that is about to park for long: keeps a few stacks, gives the others to the
  /// depot, and lets the depot return one chain of the memory above its own mark to the kernel.
  /// True if there is more to return: call again while there is nothing better to do. (All at once
  /// takes tenths of a second after a million fibers.)
  bool trim() noexcept;

 private:
  friend class StackDepot;

#if defined(WEFT_ASAN)
  static constexpr bool kMarksFreeStacks = true;
#else
  static constexpr bool kMarksFreeStacks = false;
#endif

  struct Bin {
    Stack* hot = nullptr;    // popped and pushed, at most chain_length
    Stack* spare = nullptr;  // a chain, or null
    std::size_t chain_length = 0;

    std::size_t hot_count() const noexcept { return hot_count_.load(std::memory_order_relaxed); }
    void set_hot_count(std::size_t count) noexcept {
      hot_count_.store(count, std::memory_order_relaxed);
    }
    std::size_t spare_count() const noexcept {
      return spare_count_.load(std::memory_order_relaxed);
    }
    void set_spare_count(std::size_t count) noexcept {
      spare_count_.store(count, std::memory_order_relaxed);
    }

   private:
    // Written by the owner, read by the depot's stats(), which wants numbers that are nearly right
    // and reads nothing through them: relaxed suffices. [counts]
    Atomic<std::size_t> hot_count_{0};
    Atomic<std::size_t> spare_count_{0};
  };

  void push_hot(Stack& stack) noexcept {
    if constexpr (kMarksFreeStacks) mark_free(stack);
    Bin& bin = bins_[stack.size_class];
    stack.next = bin.hot;
    bin.hot = &stack;
    bin.set_hot_count(bin.hot_count() + 1);
  }
  bool refill(std::uint8_t size_class) noexcept;
  void spill(std::uint8_t size_class) noexcept;
  void give_spare(std::uint8_t size_class) noexcept;
  void shrink(std::uint8_t size_class, std::size_t keep) noexcept;
  std::size_t cached() const noexcept;

  static void check_canary(const Stack& stack) noexcept;
  static void mark_in_use(const Stack& stack) noexcept;
  static void mark_free(const Stack& stack) noexcept;

  StackDepot& depot_;
  std::array<Bin, kStackSizeClasses> bins_;
  StackCache* next_cache_ = nullptr;  // the depot's list of caches, under its mutex
};

}  // namespace weft::detail
