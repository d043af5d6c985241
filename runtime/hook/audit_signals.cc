#include "hook/audit_signals.h"

#if defined(WEFT_AUDIT_CAN_DISPATCH)

#include <sys/syscall.h>

#include <atomic>

#include "base/assert.h"
#include "hook/audit_entry.h"
#include "hook/libc.h"

namespace weft::hook {

namespace {

WEFT_LIBC(sigaction);

// The kernel's idea of them.
struct Action {
  void* handler;
  unsigned long flags;
  void* restorer;
  std::uint64_t mask;
};
constexpr unsigned long kHasRestorer = 0x04000000;
constexpr std::size_t kMaskSize = sizeof(Action::mask);
constexpr std::uint64_t kSigsys = std::uint64_t{1} << (SIGSYS - 1);

// Set once, before any thread is dispatched.
constinit std::atomic<bool> g_taken{false};
// Written before that.
constinit struct sigaction g_previous {};

std::uint64_t& mask_at(std::uint64_t address) noexcept {
  return *reinterpret_cast<std::uint64_t*>(address);
}

long act(int signal, const Action* action, Action* before) noexcept {
  return call_kernel(SYS_rt_sigaction, signal, action, before, kMaskSize);
}

}  // namespace

void take_sigsys(SignalHandler handler) noexcept {
  libc_sigaction(SIGSYS, nullptr, &g_previous);
  // Through libc the handler would return by libc's own call, which would be dispatched.
  const Action action{
      .handler = reinterpret_cast<void*>(handler),
      .flags = kHasRestorer | SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART,
      .restorer = reinterpret_cast<void*>(&weft_audit_restore),
      .mask = 0,
  };
  const long error = act(SIGSYS, &action, nullptr);
  WEFT_ASSERT(error == 0, "the signal exists and may be handled");
  g_taken.store(true, std::memory_order_release);
}

void pass_on_sigsys(siginfo_t* info, void* context) noexcept {
  if (g_previous.sa_handler == SIG_IGN) return;
  if (g_previous.sa_handler == SIG_DFL) {
    const Action usual{};
    act(SIGSYS, &usual, nullptr);
    call_kernel(SYS_tgkill, call_kernel(SYS_getpid), call_kernel(SYS_gettid), SIGSYS);
  } else if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
    g_previous.sa_sigaction(SIGSYS, info, context);
  } else {
    g_previous.sa_handler(SIGSYS);
  }
}

void unblock_sigsys() noexcept {
  call_kernel(SYS_rt_sigprocmask, SIG_UNBLOCK, &kSigsys, nullptr, kMaskSize);
  for (int signal = 1; signal < _NSIG; ++signal) {
    Action action;
    if (act(signal, nullptr, &action) != 0 || (action.mask & kSigsys) == 0) continue;
    action.mask &= ~kSigsys;
    act(signal, &action, nullptr);
  }
}

long change_mask(const Arguments& arguments, ucontext_t& context) noexcept {
  std::uint64_t mask = 0;
  const bool changes = arguments[1] != 0;
  if (changes) {
    mask = mask_at(arguments[1]);
    if (arguments[0] != SIG_UNBLOCK) mask &= ~kSigsys;
  }
  const long result = call_kernel(SYS_rt_sigprocmask, arguments[0], changes ? &mask : nullptr,
                                  arguments[2], arguments[3]);
  // What is in force now would be undone when the handler returns.
  call_kernel(SYS_rt_sigprocmask, SIG_BLOCK, nullptr, &context.uc_sigmask, kMaskSize);
  return result;
}

long change_action(const Arguments& arguments) noexcept {
  const auto signal = static_cast<int>(arguments[0]);
  const auto* const given = reinterpret_cast<const Action*>(arguments[1]);
  if (given == nullptr || signal == SIGSYS) {
    return call_kernel(SYS_rt_sigaction, signal, nullptr, arguments[2], arguments[3]);
  }
  Action action = *given;
  action.mask &= ~kSigsys;
  return call_kernel(SYS_rt_sigaction, signal, &action, arguments[2], arguments[3]);
}

void unblock_in_frame(std::uint64_t stack) noexcept {
  auto* const context = reinterpret_cast<ucontext_t*>(stack);
  mask_at(reinterpret_cast<std::uint64_t>(&context->uc_sigmask)) &= ~kSigsys;
}

CallMask::CallMask(long number, Arguments& arguments) noexcept {
  std::uint64_t* place = nullptr;
  switch (number) {
    case SYS_rt_sigsuspend:
      place = &arguments[0];
      break;
    case SYS_ppoll:
      place = &arguments[3];
      break;
    case SYS_epoll_pwait:
#if defined(SYS_epoll_pwait2)
    case SYS_epoll_pwait2:
#endif
      place = &arguments[4];
      break;
    case SYS_pselect6:
    case SYS_io_pgetevents:
      if (arguments[5] == 0) return;
      sized_ = *reinterpret_cast<const Sized*>(arguments[5]);
      arguments[5] = reinterpret_cast<std::uint64_t>(&sized_);
      place = &sized_.mask;
      break;
    default:
      return;
  }
  if (*place == 0) return;
  mask_ = mask_at(*place) & ~kSigsys;
  *place = reinterpret_cast<std::uint64_t>(&mask_);
}

}  // namespace weft::hook

using namespace weft::hook;  // NOLINT(google-build-using-namespace): the rest is C

extern "C" {

int sigaction(int signal, const struct sigaction* action, struct sigaction* before) noexcept {
  if (action == nullptr || !g_taken.load(std::memory_order_acquire)) {
    return libc_sigaction(signal, action, before);
  }
  if (signal == SIGSYS) return libc_sigaction(signal, nullptr, before);
  struct sigaction allowing = *action;
  sigdelset(&allowing.sa_mask, SIGSYS);
  return libc_sigaction(signal, &allowing, before);
}

}  // extern "C"

#endif
