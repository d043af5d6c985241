#pragma once

// Guard pages: the page below a stack that turns an overflow into a fault instead of a corrupted
// neighbour.
//
// Three ways, strongest first:
//
// - kKernel: MADV_GUARD_INSTALL (Linux 6.13) marks page table entries and leaves the mapping whole,
//   so any number of them fits under vm.max_map_count. Refused on locked memory (EINVAL).
// - kMprotect: PROT_NONE splits the mapping, two more of them a guard, and the kernel allows about
//   65,530 in a process. A budget keeps us from eating what malloc and dlopen need.
// - kNone: no fault, but a canary. The page is there, never used, and the kernel gave it zeroed; it
//   is read when the stack comes back and must still be zero. That costs no memory, not even when
//   it is read (all untouched pages show the kernel's one zero page), where a written canary would
//   cost a page a stack and be wiped by each MADV_DONTNEED.

#include <cstddef>
#include <cstdint>

#include "base/atomic.h"

namespace weft::detail {

/// Which way to try first; what cannot be had falls through to the next weaker one. kAuto is
/// kKernel, except under AddressSanitizer, whose own walks over memory trust /proc/self/maps, where
/// kernel guards do not show.
enum class GuardPolicy : std::uint8_t { kAuto, kKernel, kMprotect, kNone };

enum class GuardKind : std::uint8_t { kKernel, kMprotect, kNone };

/// Async-signal-safe once any stack exists.
std::size_t page_size() noexcept;

/// Asks the kernel itself, once: version strings lie about backports, containers and emulators.
bool kernel_guards_supported() noexcept;

/// How many mprotect guards may still be made. Thread-safe.
class GuardBudget {
 public:
  explicit GuardBudget(std::size_t guards) noexcept : left_(guards) {}

  bool take() noexcept;
  void give_back(std::size_t guards) noexcept { left_.fetch_add(guards); }
  std::size_t left() const noexcept { return left_.load(); }

 private:
  Atomic<std::size_t> left_;  // only a number: it publishes nothing
};

/// Shared by all depots of the process: a quarter of vm.max_map_count guards, which is half of the
/// mappings.
GuardBudget& process_guard_budget() noexcept;

GuardKind strongest_guard(GuardPolicy policy) noexcept;

/// Guards the page at `page`, as `strongest` or, failing that, weaker. Returns what it got.
GuardKind install_guard(std::byte* page, GuardKind strongest, GuardBudget& budget) noexcept;

/// Whether the page below an unguarded stack's `limit` is as the kernel gave it.
bool canary_intact(const std::byte* limit) noexcept;

}  // namespace weft::detail
