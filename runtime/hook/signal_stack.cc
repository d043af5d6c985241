#include "hook/signal_stack.h"

#include <pthread.h>
#include <signal.h>

#include <cerrno>

#include "hook/libc.h"

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)

namespace weft::hook {

bool on_signal_stack() noexcept {
  stack_t current{};
  return ::sigaltstack(nullptr, &current) == 0 && (current.ss_flags & SS_ONSTACK) != 0;
}

}  // namespace weft::hook

#else

namespace weft::hook {

constinit thread_local SignalStack t_signal_stack [[gnu::tls_model("initial-exec")]];

namespace {
WEFT_LIBC(sigaltstack);
}

}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" int sigaltstack(const stack_t* stack, stack_t* previous) noexcept {
  if (stack == nullptr) return libc_sigaltstack(stack, previous);
  const bool none = (stack->ss_flags & SS_DISABLE) != 0;
  const SignalStack next{reinterpret_cast<std::uintptr_t>(stack->ss_sp), none ? 0 : stack->ss_size};
  // No handler runs between the two.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const int result = libc_sigaltstack(stack, previous);
  if (result == 0) t_signal_stack = next;
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return result;
}

#endif
