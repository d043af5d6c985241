#pragma once

// The untyped core under ContextVar. Not for users; it may change with any release.

#include <cstdint>
#include <memory>
#include <utility>

namespace weft::detail {

class ContextMap;  // values by variable; never changed while it is shared

/// A counted handle to the values of a task. None at all, for most.
class ContextRef {
 public:
  ContextRef() = default;
  ContextRef(const ContextRef& other) noexcept;
  ContextRef(ContextRef&& other) noexcept : map_(std::exchange(other.map_, nullptr)) {}
  ContextRef& operator=(ContextRef other) noexcept {
    std::swap(map_, other.map_);
    return *this;
  }
  ~ContextRef() {
    if (map_ != nullptr) release();
  }

  /// Those of the task, or the thread, that calls.
  static ContextRef current() noexcept;

  explicit operator bool() const noexcept { return map_ != nullptr; }

 private:
  friend class ContextMap;
  explicit ContextRef(ContextMap* owned) noexcept : map_(owned) {}
  void release() noexcept;

  ContextMap* map_ = nullptr;
};

/// Gives the calling thread, which runs no fiber, the values of another task for a while.
class ContextScope {
 public:
  explicit ContextScope(ContextRef context) noexcept;
  ~ContextScope();
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  ContextRef before_;
};

using ContextValue = std::shared_ptr<const void>;

std::uint64_t new_context_key() noexcept;
/// In the task or the thread that calls: null if there is none. Good until it changes there.
const void* context_value(std::uint64_t key) noexcept;
/// Returns the value before. Null: none. Throws std::bad_alloc, and nothing has changed.
ContextValue set_context_value(std::uint64_t key, ContextValue value);
/// Who calls: unique for each task and each thread.
std::uint64_t context_owner() noexcept;

[[noreturn]] void no_context_value(const char* variable);
[[noreturn]] void token_was_used(const char* variable);
[[noreturn]] void token_of_another(const char* variable, const char* other_what);

}  // namespace weft::detail
