#pragma once

// The untyped core under wait and as_completed. Not for users; it may change with any release.

#include <weft/detail/task_core.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace weft::detail {

/// Many tasks, watched by one fiber or thread: which have ended, and in which order.
class Completions {
 public:
  /// Keeps a handle to each. Throws std::logic_error if one of them is the caller.
  explicit Completions(std::span<const TaskRef> tasks);
  Completions(Completions&&) noexcept;
  Completions& operator=(Completions&&) noexcept;
  ~Completions();

  enum class Until : std::uint8_t { kCount, kCountOrFailure };

  /// Waits until `count` tasks have ended in all, or, if wanted, until one has thrown (Cancelled
  /// does not count). False when the deadline came first. Suspends; cancellable.
  bool wait(std::size_t count, Until until, std::int64_t deadline);
  /// The position, among the tasks, of the one that was the `place`-th to end. It has ended.
  std::size_t ended_at(std::size_t place) const noexcept;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

}  // namespace weft::detail
