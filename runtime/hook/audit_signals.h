#pragma once

// A system call that is dispatched while SIGSYS is blocked ends the process. Programs do block all
// signals, themselves or in their handlers; so what they block on workers is all but that one.

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WEFT_AUDIT_CAN_DISPATCH 1
#endif
// The sanitizers' own code makes system calls where no handler that they have instrumented may run.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#undef WEFT_AUDIT_CAN_DISPATCH
#endif
#endif

#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstdint>

namespace weft::hook {

using SignalHandler = void (*)(int, siginfo_t*, void*);

/// Installs the handler for good. Whoever else asks for SIGSYS from now on is not heard.
void take_sigsys(SignalHandler handler) noexcept;
/// A SIGSYS that is none of ours goes where it would have gone.
void pass_on_sigsys(siginfo_t* info, void* context) noexcept;
/// For the calling thread, and in all handlers there are.
void unblock_sigsys() noexcept;

using Arguments = std::array<std::uint64_t, 6>;

/// Make rt_sigprocmask(2), for the code that goes on in `context`, and rt_sigaction(2). They return
/// what the kernel does.
long change_mask(const Arguments& arguments, ucontext_t& context) noexcept;
long change_action(const Arguments& arguments) noexcept;
/// In the mask that comes back at the end of the handler whose stack ends at `stack`.
void unblock_in_frame(std::uint64_t stack) noexcept;

/// In the mask that a call brings along for as long as it takes, if it does: that is replaced.
class CallMask {
 public:
  CallMask(long number, Arguments& arguments) noexcept;
  CallMask(const CallMask&) = delete;
  CallMask& operator=(const CallMask&) = delete;

 private:
  struct Sized {
    std::uint64_t mask;  // its address
    std::uint64_t size;
  };

  std::uint64_t mask_ = 0;
  Sized sized_{};
};

}  // namespace weft::hook
