#pragma once

// Broken invariants end the process with a message: a scheduler that goes on after one loses fibers
// silently.

namespace weft::detail {

[[noreturn]] void assert_failed(const char* file, int line, const char* condition,
                                const char* why) noexcept;

}  // namespace weft::detail

// `why` says why the condition cannot be false.
#define WEFT_ASSERT(condition, why)                     \
  (__builtin_expect(static_cast<bool>(condition), true) \
       ? static_cast<void>(0)                           \
       : ::weft::detail::assert_failed(__FILE__, __LINE__, #condition, why))
