#pragma once

// What the audit has seen: for each distinct stack one entry, in memory of its own, so that a
// signal handler may write. Entries are added and counted up, and never taken away.
//
// An entry belongs to whoever puts its key into it first. Others with the same key only count, so
// nobody waits for the owner, whom a signal may have interrupted.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "fiber/identity.h"

namespace weft::hook {

using detail::Nanos;

inline constexpr std::size_t kMostFrames = 64;

struct StackTrace {
  std::array<void*, kMostFrames> frames{};
  std::size_t count = 0;
};

/// What a thread was in when it slept.
struct BlockingCall {
  static constexpr int kNoDescriptor = -1;
  /// Besides system calls.
  static constexpr long kPageFault = -1;
  static constexpr long kUnknown = -2;

  long number = kUnknown;
  int descriptor = kNoDescriptor;
};

struct Caller {
  std::uint64_t id = 0;
  const char* name = nullptr;  ///< null if it has none
  SpawnSite site;

  /// The fiber that runs on the calling thread.
  static Caller running(const detail::Fiber& fiber) noexcept {
    return {fiber.id.load(std::memory_order_relaxed), fiber.name.load(std::memory_order_relaxed),
            detail::site_of(fiber)};
  }
};

/// One stack, as it is reported.
struct AuditRecord {
  BlockingCall call;
  bool other_descriptors = false;  ///< besides the call's
  StackTrace stack;
  std::uint64_t fiber_id = 0;
  std::string fiber_name;  ///< "" if it has none
  SpawnSite site;
  bool other_fibers = false;  ///< besides that one
  std::uint64_t calls = 0;
  Nanos total = 0;
  Nanos longest = 0;
};

class AuditLog {
 public:
  struct Entry {
    // 0: free. Taken once; publishes nothing.
    std::atomic<std::uint64_t> key{0};
    // Set by the owner when all that is no atomic is there, read by who reports. [entry]
    std::atomic<bool> complete{false};
    BlockingCall call;
    StackTrace stack;
    std::uint64_t fiber_id = 0;
    std::array<char, 64> fiber_name{};
    SpawnSite site;
    // Counted by anyone. They publish nothing.
    std::atomic<bool> other_descriptors{false};
    std::atomic<bool> other_fibers{false};
    std::atomic<std::uint64_t> calls{0};
    std::atomic<Nanos> total{0};
    std::atomic<Nanos> longest{0};
  };

  /// Null if there is no room for another stack. Async-signal-safe.
  Entry* add_call(const BlockingCall& call, const StackTrace& stack, const Caller& caller) noexcept;
  /// That such a call has taken `more`, `so_far` in all. Async-signal-safe.
  void add_time(Entry* entry, Nanos more, Nanos so_far) noexcept;

  /// In any order.
  std::vector<AuditRecord> records() const;
  /// Those for whose stacks there was no room.
  std::uint64_t calls_without_stack() const noexcept {
    return lost_calls_.load(std::memory_order_relaxed);
  }
  Nanos time_without_stack() const noexcept { return lost_time_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kEntries = 1024;

  std::array<Entry, kEntries> entries_{};
  // Counted by anyone. They publish nothing.
  std::atomic<std::uint64_t> lost_calls_{0};
  std::atomic<Nanos> lost_time_{0};
};

/// The process has one.
extern constinit AuditLog g_audit_log;

}  // namespace weft::hook
