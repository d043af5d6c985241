#include "hook/signal_stack.h"

#include <signal.h>

#include "hook/libc.h"

namespace weft::hook {

constinit thread_local SignalStack t_signal_stack [[gnu::tls_model("initial-exec")]];

namespace {
WEFT_LIBC(sigaltstack);
}

}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" int sigaltstack(const stack_t* stack, stack_t* previous) noexcept {
  if (libc_sigaltstack(stack, previous) != 0) return -1;
  if (stack != nullptr) {
    const bool none = (stack->ss_flags & SS_DISABLE) != 0;
    t_signal_stack = {reinterpret_cast<std::uintptr_t>(stack->ss_sp), none ? 0 : stack->ss_size};
  }
  return 0;
}
