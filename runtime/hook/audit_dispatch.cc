#include "hook/audit_dispatch.h"

#include "hook/audit_signals.h"

#if defined(WEFT_AUDIT_CAN_DISPATCH)

#include <execinfo.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "hook/audit_calls.h"
#include "hook/audit_entry.h"
#include "sched/worker.h"
#include "time/clock.h"

// What older headers do not have.
#if !defined(PR_SET_SYSCALL_USER_DISPATCH)
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_OFF 0
#define PR_SYS_DISPATCH_ON 1
#endif
#if !defined(SYS_USER_DISPATCH)
#define SYS_USER_DISPATCH 2
#endif

namespace weft::hook {

namespace {

// A system call's registers, as the interrupted code has set them.
class Call {
 public:
  explicit Call(ucontext_t& context) noexcept : registers_(context.uc_mcontext.gregs) {}

  long number() const noexcept { return registers_[REG_RAX]; }
  void* place() const noexcept { return reinterpret_cast<void*>(registers_[REG_RIP]); }
  Arguments arguments() const noexcept {
    return {word(REG_RDI), word(REG_RSI), word(REG_RDX), word(REG_R10), word(REG_R8), word(REG_R9)};
  }
  std::uint64_t stack() const noexcept { return word(REG_RSP); }
  void finish(long result) noexcept { registers_[REG_RAX] = result; }

 private:
  std::uint64_t word(int index) const noexcept {
    return static_cast<std::uint64_t>(registers_[index]);
  }

  greg_t* const registers_;
};

long prctl_dispatch(unsigned long mode) noexcept {
  const bool on = mode == PR_SYS_DISPATCH_ON;
  const auto begin = reinterpret_cast<std::uintptr_t>(weft_audit_allowed_begin);
  const auto end = reinterpret_cast<std::uintptr_t>(weft_audit_allowed_end);
  // No selector: whatever is not in the range is dispatched.
  return call_kernel(SYS_prctl, PR_SET_SYSCALL_USER_DISPATCH, mode, on ? begin : 0,
                     on ? end - begin : 0, 0);
}

long times_slept() noexcept {
  rusage usage;
  call_kernel(SYS_getrusage, int{RUSAGE_THREAD}, &usage);
  return usage.ru_nvcsw;
}

// The stack of the code that called, without the handler's own frames.
StackTrace stack_behind(void* place) noexcept {
  constexpr std::size_t kOwnFrames = 8;
  std::array<void*, kMostFrames + kOwnFrames> all;
  const int count = ::backtrace(all.data(), static_cast<int>(all.size()));
  const auto end = all.begin() + count;
  auto first = std::find(all.begin(), end, place);
  StackTrace stack;
  if (first == end) {
    stack.frames[stack.count++] = place;
    return stack;
  }
  for (; first != end && stack.count < kMostFrames; ++first) {
    stack.frames[stack.count++] = *first;
  }
  return stack;
}

// ---- The calls of fibers.

// Nothing is waited for in these, or what they do is the caller's own: its stack, its mask.
bool is_its_own_affair(long number) noexcept {
  switch (number) {
    case SYS_arch_prctl:
    case SYS_brk:
    case SYS_execve:
    case SYS_execveat:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_kill:
    case SYS_madvise:
    case SYS_mmap:
    case SYS_mprotect:
    case SYS_mremap:
    case SYS_munmap:
    case SYS_sched_yield:
    case SYS_sigaltstack:
    case SYS_tgkill:
    case SYS_tkill:
      return true;
    default:
      return false;
  }
}

long perform(const Call& call) noexcept {
  Arguments arguments = call.arguments();
  const CallMask mask(call.number(), arguments);
  return weft_audit_call(call.number(), arguments[0], arguments[1], arguments[2], arguments[3],
                         arguments[4], arguments[5]);
}

void perform_and_note(Call& call, const detail::Fiber& fiber) noexcept {
  const long slept_before = times_slept();
  const Nanos start = detail::now();
  const long result = perform(call);
  const Nanos time = detail::now() - start;
  if (time >= kLeastSleep && times_slept() != slept_before) {
    AuditLog::Entry* const entry =
        g_audit_log.add_call(describe_call(call.number(), call.arguments()[0]),
                             stack_behind(call.place()), Caller::running(fiber));
    g_audit_log.add_time(entry, time, time);
  }
  call.finish(result);
}

// ---- Calls that need more than to be made.

// A process or thread that starts is not dispatched.
void clone(ucontext_t& context, std::uint64_t flags, std::uint64_t stack) noexcept {
  if (stack == 0 && (flags & CLONE_VM) != 0) {
    let_vfork_through(context);
  } else {
    let_clone_through(context, reinterpret_cast<void*>(stack));
  }
}

bool is_special(Call& call, ucontext_t& context) noexcept {
  const Arguments arguments = call.arguments();
  switch (call.number()) {
    case SYS_rt_sigreturn:
      unblock_in_frame(call.stack());
      weft_audit_return_from(call.stack());
    case SYS_rt_sigprocmask:
      call.finish(change_mask(arguments, context));
      return true;
    case SYS_rt_sigaction:
      call.finish(change_action(arguments));
      return true;
    case SYS_vfork:
      let_vfork_through(context);
      return true;
    case SYS_clone:
      clone(context, arguments[0], arguments[1]);
      return true;
#if defined(SYS_clone3)
    case SYS_clone3: {
      const auto& given = *reinterpret_cast<const clone_args*>(arguments[0]);
      clone(context, given.flags, given.stack == 0 ? 0 : given.stack + given.stack_size);
      return true;
    }
#endif
    default:
      return false;
  }
}

// No signal is blocked meanwhile but those that the code has blocked: a call may take long, and the
// handlers of others run as if it had been made where it was.
void handle(int /*signal*/, siginfo_t* info, void* data) {
  if (info->si_code != SYS_USER_DISPATCH) return pass_on_sigsys(info, data);
  const int saved_errno = errno;
  auto& context = *static_cast<ucontext_t*>(data);
  Call call(context);
  if (info->si_arch != AUDIT_ARCH_X86_64) {
    call.finish(-ENOSYS);  // 32 bits' calls have other numbers
  } else if (!is_special(call, context)) {
    const detail::Worker* const worker = detail::current_worker();
    if (worker == nullptr || !worker->runs_fiber() || is_its_own_affair(call.number())) {
      let_through(context);
    } else {
      perform_and_note(call, worker->current());
    }
  }
  errno = saved_errno;
}

}  // namespace

std::string why_no_dispatch() {
  const long error = -prctl_dispatch(PR_SYS_DISPATCH_ON);
  if (error == 0) {
    prctl_dispatch(PR_SYS_DISPATCH_OFF);
    return "";
  }
  return error == EINVAL ? "the kernel is too old for it" : ::strerror(static_cast<int>(error));
}

void install_dispatch() noexcept { take_sigsys(&handle); }

void begin_dispatch() noexcept {
  unblock_sigsys();
  const long error = prctl_dispatch(PR_SYS_DISPATCH_ON);
  WEFT_ASSERT(error == 0, "it was granted before");
}

void end_dispatch() noexcept { prctl_dispatch(PR_SYS_DISPATCH_OFF); }

}  // namespace weft::hook

#else

namespace weft::hook {

std::string why_no_dispatch() { return "this build has none: it is for x86-64 without sanitizers"; }
void install_dispatch() noexcept {}
void begin_dispatch() noexcept {}
void end_dispatch() noexcept {}

}  // namespace weft::hook

#endif
