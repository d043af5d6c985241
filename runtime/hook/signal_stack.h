#pragma once

// A signal handler on a stack of its own is not the fiber, although it runs in its place: if it
// waited, the next signal's handler would overwrite its frames. Where that stack is, each thread
// remembers: to ask the kernel takes a system call, and what the fiber knows of its own stack lies
// in two other pages, whose look-up costs more here than all that a hook does.

#include <cstdint>

#include "fiber/sanitizer.h"

namespace weft::hook {

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)

/// Asks the kernel: sanitizers set a signal stack before they can run anything of ours.
bool on_signal_stack() noexcept;

#else

/// The calling thread's, as sigaltstack(2) was told last: not so while a handler has set another,
/// which the kernel takes back at its end, and after a child of vfork(2) has.
struct SignalStack {
  std::uintptr_t begin = 0;
  std::uintptr_t size = 0;
};
extern constinit thread_local SignalStack t_signal_stack [[gnu::tls_model("initial-exec")]];

[[gnu::always_inline]] inline bool on_signal_stack() noexcept {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  return here - t_signal_stack.begin < t_signal_stack.size;
}

#endif

}  // namespace weft::hook
