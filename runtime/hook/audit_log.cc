#include "hook/audit_log.h"

#include <algorithm>
#include <cstring>

namespace weft::hook {

constinit AuditLog g_audit_log;

namespace {

// Stacks are told apart by this alone: of 1,024 two are taken for one once in 10^13 runs.
std::uint64_t key_of(const BlockingCall& call, const StackTrace& stack) noexcept {
  std::uint64_t hash = static_cast<std::uint64_t>(call.number) + 0x9e3779b97f4a7c15U;
  for (std::size_t i = 0; i < stack.count; ++i) {
    hash = (hash ^ reinterpret_cast<std::uintptr_t>(stack.frames[i])) * 0xff51afd7ed558ccdU;
    hash ^= hash >> 32;
  }
  return hash == 0 ? 1 : hash;
}

void fill_in(AuditLog::Entry& entry, const BlockingCall& call, const StackTrace& stack,
             const Caller& caller) noexcept {
  entry.call = call;
  entry.stack = stack;
  entry.fiber_id = caller.id;
  entry.site = caller.site;
  if (caller.name != nullptr) {
    const std::size_t length = std::min(std::strlen(caller.name), entry.fiber_name.size() - 1);
    std::memcpy(entry.fiber_name.data(), caller.name, length);
  }
  entry.complete.store(true, std::memory_order_release);  // [entry]
}

// Whose it is is not known before it is complete; then the comparison is left out.
void compare(AuditLog::Entry& entry, const BlockingCall& call, const Caller& caller) noexcept {
  if (!entry.complete.load(std::memory_order_acquire)) return;  // [entry]
  if (entry.call.descriptor != call.descriptor) {
    entry.other_descriptors.store(true, std::memory_order_relaxed);
  }
  if (entry.fiber_id != caller.id) entry.other_fibers.store(true, std::memory_order_relaxed);
}

}  // namespace

AuditLog::Entry* AuditLog::add_call(const BlockingCall& call, const StackTrace& stack,
                                    const Caller& caller) noexcept {
  const std::uint64_t key = key_of(call, stack);
  for (std::size_t i = 0; i < kEntries; ++i) {
    Entry& entry = entries_[(key + i) % kEntries];
    std::uint64_t found = entry.key.load(std::memory_order_relaxed);
    const bool taken =
        found == 0 && entry.key.compare_exchange_strong(found, key, std::memory_order_relaxed);
    if (taken) {
      fill_in(entry, call, stack, caller);
    } else if (found == key) {
      compare(entry, call, caller);
    } else {
      continue;
    }
    entry.calls.fetch_add(1, std::memory_order_relaxed);
    return &entry;
  }
  lost_calls_.fetch_add(1, std::memory_order_relaxed);
  return nullptr;
}

void AuditLog::add_time(Entry* entry, Nanos more, Nanos so_far) noexcept {
  if (entry == nullptr) {
    lost_time_.fetch_add(more, std::memory_order_relaxed);
    return;
  }
  entry->total.fetch_add(more, std::memory_order_relaxed);
  Nanos longest = entry->longest.load(std::memory_order_relaxed);
  while (longest < so_far &&
         !entry->longest.compare_exchange_weak(longest, so_far, std::memory_order_relaxed)) {
  }
}

std::vector<AuditRecord> AuditLog::records() const {
  std::vector<AuditRecord> records;
  for (const Entry& entry : entries_) {
    if (!entry.complete.load(std::memory_order_acquire)) continue;  // [entry]
    records.push_back({
        .call = entry.call,
        .other_descriptors = entry.other_descriptors.load(std::memory_order_relaxed),
        .stack = entry.stack,
        .fiber_id = entry.fiber_id,
        .fiber_name = entry.fiber_name.data(),
        .site = entry.site,
        .other_fibers = entry.other_fibers.load(std::memory_order_relaxed),
        .calls = entry.calls.load(std::memory_order_relaxed),
        .total = entry.total.load(std::memory_order_relaxed),
        .longest = entry.longest.load(std::memory_order_relaxed),
    });
  }
  return records;
}

}  // namespace weft::hook
