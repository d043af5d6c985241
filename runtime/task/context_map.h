#pragma once

// The values of context variables. A map is shared by a parent and its children until one of them
// changes a value, which then works on a copy of its own: so spawning costs one counted reference,
// and nothing where no variable was ever set.

#include <cstdint>
#include <vector>

#include <weft/detail/context.h>
#include "base/atomic.h"

namespace weft::detail {

class ContextMap {
 public:
  ContextMap() = default;
  ContextMap& operator=(const ContextMap&) = delete;

  void retain() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  /// The release of each drop pairs with the acquire of the last. [context]
  void release() noexcept {
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const void* find(std::uint64_t key) const noexcept;

  /// Changes a value in the map that `slot` holds, or in a copy that it holds afterwards. Returns
  /// the value before.
  static ContextValue set(ContextMap*& slot, std::uint64_t key, ContextValue value);

  static ContextRef make_ref(ContextMap* map) noexcept {
    if (map != nullptr) map->retain();
    return ContextRef(map);
  }
  /// What the handle counts is the caller's.
  static ContextMap* take(ContextRef& handle) noexcept {
    return std::exchange(handle.map_, nullptr);
  }

 private:
  struct Entry {
    std::uint64_t key;
    ContextValue value;
  };
  using Entries = std::vector<Entry>;

  ContextMap(const ContextMap& other) : entries_(other.entries_) {}
  ~ContextMap() = default;
  bool is_shared() const noexcept { return handles_.load(std::memory_order_acquire) != 1; }
  Entries::iterator place_of(std::uint64_t key) noexcept;

  Atomic<std::uint32_t> handles_{1};
  Entries entries_;  // by key
};

/// Of the task, or the thread, that calls; null if it has none.
ContextMap* current_context() noexcept;

}  // namespace weft::detail
