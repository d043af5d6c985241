#pragma once

// libc's own functions, behind those that are defined here under the same names.

#include "base/atomic.h"

namespace weft::hook {

/// The next definition of `name` after this library's. Ends the program if there is none.
void* find_in_libc(const char* name) noexcept;

/// One of them, looked up when it is first called: hooks are called before any constructor here has
/// run.
template <class Result, class... Arguments>
class Libc {
 public:
  using Function = Result (*)(Arguments...);
  /// The second, the function of that name, is there for its type.
  constexpr Libc(const char* name, Function /*of_the_type*/) noexcept : name_(name) {}
  constexpr explicit Libc(const char* name) noexcept : name_(name) {}
  Libc(const Libc&) = delete;
  Libc& operator=(const Libc&) = delete;

  // Not noexcept: a thread that is cancelled in libc's call unwinds its stack, and these frames.
  Result operator()(Arguments... arguments) {
    // Whoever looks it up finds the same, so no order is needed.
    Function function = function_.load(std::memory_order_relaxed);
    if (function == nullptr) [[unlikely]] {
      function = reinterpret_cast<Function>(find_in_libc(name_));
      function_.store(function, std::memory_order_relaxed);
    }
    return function(arguments...);
  }

 private:
  const char* const name_;
  detail::Atomic<Function> function_{nullptr};
};

}  // namespace weft::hook

/// Defines libc_NAME, to be called as NAME is.
#define WEFT_LIBC(name) \
  constinit weft::hook::Libc libc_##name { #name, &::name }
