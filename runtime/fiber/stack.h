#pragma once

// What the runtime knows about one fiber stack. The memory itself lies in a slab of the stack depot
// (fiber/stack_pool.h); this record is kept apart, so that a million parked stacks cost one touched
// page each and looking through them touches none.

#include <bit>
#include <cstddef>
#include <cstdint>

#include "fiber/guard.h"

namespace weft::detail {

/// The range of sizes a caller may ask for. A size counts the whole slot, guard page included, so
/// that power of two sizes pack without holes: a 64 KiB stack has 60 KiB to use.
inline constexpr std::size_t kMinStackSize = std::size_t{16} << 10;
inline constexpr std::size_t kMaxStackSize = std::size_t{64} << 20;
inline constexpr std::uint8_t kStackSizeClasses = std::bit_width(kMaxStackSize / kMinStackSize);

/// The class of the smallest power of two that holds `bytes`. The caller has checked that `bytes`
/// is not above kMaxStackSize; anything below kMinStackSize gets the smallest class.
constexpr std::uint8_t size_class_for(std::size_t bytes) noexcept {
  if (bytes <= kMinStackSize) return 0;
  return static_cast<std::uint8_t>(std::bit_width((bytes - 1) / kMinStackSize));
}

/// What the class was asked for: the inverse of size_class_for.
constexpr std::size_t class_size(std::uint8_t size_class) noexcept {
  return kMinStackSize << size_class;
}

/// Type-stable while its depot lives. Whoever holds the stack owns every field; it changes hands
/// through a worker's cache or under the depot's mutex.
struct Stack {
  std::byte* limit = nullptr;   // lowest usable byte, just above the guard page
  std::size_t size = 0;         // usable bytes
  Stack* next = nullptr;        // free for whoever holds the stack; links the pool's chains
  Stack* next_chain = nullptr;  // the depot's: the next chain, in a chain's first stack
  void* tsan_fiber = nullptr;   // made by the switch code on first use, destroyed with the depot
  unsigned valgrind_id = 0;
  std::uint16_t chain_length = 0;  // the depot's: stacks in the chain, in its first stack
  std::uint8_t size_class = 0;
  bool guarded = false;

  /// Where the stack begins; it grows down. 16-byte aligned.
  std::byte* top() const noexcept { return limit + size; }

  /// Whether touching `address` means that this stack overflowed. Async-signal-safe.
  bool guard_contains(const void* address) const noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const auto end = reinterpret_cast<std::uintptr_t>(limit);
    return guarded && at < end && end - at <= page_size();
  }
};

static_assert(sizeof(Stack) <= 56, "a million stacks are a million of these");

}  // namespace weft::detail
