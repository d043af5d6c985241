#pragma once

// A handler for stack overflows cannot run on the stack that overflowed.

#include <signal.h>

#include <cstddef>
#include <system_error>

namespace weft::detail {

/// A signal stack for the calling thread, with a guard page of its own. Made and destroyed on the
/// same thread; destruction restores what was there before, unless another was set in between.
class AlternateSignalStack {
 public:
  AlternateSignalStack() noexcept;
  ~AlternateSignalStack();
  AlternateSignalStack(const AlternateSignalStack&) = delete;
  AlternateSignalStack& operator=(const AlternateSignalStack&) = delete;

  /// Why there is none, if so. Without it an overflow ends the process with no report.
  std::error_code error() const noexcept { return error_; }
  /// Whether `address` lies in it.
  bool contains(const void* address) const noexcept;

 private:
  void unmap() noexcept;
  bool is_current() const noexcept;

  std::byte* memory_ = nullptr;  // the guard page, then the stack
  std::size_t bytes_ = 0;
  stack_t previous_{};
  std::error_code error_;
};

}  // namespace weft::detail
