#pragma once

// What AddressSanitizer and ThreadSanitizer must be told about stacks that change under a thread's
// feet. Each hook is empty in a plain build. They are inlined into the frame that jumps:
// ThreadSanitizer keeps a shadow call stack a fiber, and a hook in a frame of its own would push
// there and pop elsewhere.

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif

#if defined(WEFT_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(WEFT_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

#if defined(WEFT_TSAN) && defined(__clang__)
#define WEFT_UNINSTRUMENTED __attribute__((disable_sanitizer_instrumentation))
#else
#define WEFT_UNINSTRUMENTED
#endif
// For a function that is entered but never returns, because its stack is left for good: it would
// stay on ThreadSanitizer's shadow call stack, which is used again with the stack.
#define WEFT_NEVER_RETURNS WEFT_UNINSTRUMENTED
// For the handler of a signal, and what is inlined into it. At an atomic operation of a handler
// that it has kept back, ThreadSanitizer may run another that it has kept back, and then takes the
// mask of that moment, all signals, for the thread's own, which gets no signal any more.
#define WEFT_HANDLES_SIGNAL WEFT_UNINSTRUMENTED

namespace weft::detail {

/// What the sanitizers know a stack by. A fiber's is filled in from its stack, a worker's own from
/// its thread.
struct SanitizerStack {
#if defined(WEFT_ASAN)
  const void* bottom = nullptr;
  std::size_t size = 0;
  void* fake_stack = nullptr;
#endif
#if defined(WEFT_TSAN)
  void* context = nullptr;
#endif
};

/// Just before the jump from one stack to another. `from_ends` says that `from` will never run
/// again.
[[gnu::always_inline]] inline void sanitizer_before_switch([[maybe_unused]] SanitizerStack& from,
                                                           [[maybe_unused]] SanitizerStack& to,
                                                           [[maybe_unused]] bool from_ends) {
#if defined(WEFT_ASAN)
  __sanitizer_start_switch_fiber(from_ends ? nullptr : &from.fake_stack, to.bottom, to.size);
#endif
#if defined(WEFT_TSAN)
  __tsan_switch_to_fiber(to.context, 0);
#endif
}

/// Just after the jump, on the stack jumped to.
[[gnu::always_inline]] inline void sanitizer_after_switch([[maybe_unused]] SanitizerStack& self) {
#if defined(WEFT_ASAN)
  __sanitizer_finish_switch_fiber(self.fake_stack, nullptr, nullptr);
#endif
}

}  // namespace weft::detail
