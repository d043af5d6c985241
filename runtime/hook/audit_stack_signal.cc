#include "hook/audit_stack_signal.h"

#include <execinfo.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/assert.h"

namespace weft::hook {

namespace {

// Of the thread; set by itself.
constinit thread_local StackRequest* t_request [[gnu::tls_model("initial-exec")]] = nullptr;
constinit struct sigaction g_previous {};  // written before anybody is asked

// The call that a signal has come into.
class Interrupted {
 public:
  explicit Interrupted(ucontext_t& context) noexcept : context_(context.uc_mcontext) {}

  // Where the kernel has already seen to it that it begins again, the place is the call itself.
  bool is(const Asleep& call) const noexcept {
    const std::uint64_t place = this->place();
    return stack_pointer() == call.stack_pointer &&
           (place == call.place || place + kCallSize == call.place);
  }
  bool has_failed_in(const Asleep& call) const noexcept {
    return place() == call.place && result() == -EINTR;
  }

#if defined(__x86_64__)
  static constexpr std::uint64_t kCallSize = 2;
  std::uint64_t place() const noexcept { return word(REG_RIP); }
  std::uint64_t stack_pointer() const noexcept { return word(REG_RSP); }
  long result() const noexcept { return context_.gregs[REG_RAX]; }
  bool has_arguments_of(const Asleep& call) const noexcept {
    return call.arguments == std::array{word(REG_RDI), word(REG_RSI), word(REG_RDX),
                                        word(REG_R10), word(REG_R8),  word(REG_R9)};
  }
  void begin_again(const Asleep& call) noexcept {
    context_.gregs[REG_RAX] = call.number;
    context_.gregs[REG_RIP] -= kCallSize;
  }

 private:
  std::uint64_t word(int index) const noexcept {
    return static_cast<std::uint64_t>(context_.gregs[index]);
  }
#elif defined(__aarch64__)
  // The result takes the first argument's register; the number stays in its own.
  static constexpr std::uint64_t kCallSize = 4;
  std::uint64_t place() const noexcept { return context_.pc; }
  std::uint64_t stack_pointer() const noexcept { return context_.sp; }
  long result() const noexcept { return static_cast<long>(context_.regs[0]); }
  bool has_arguments_of(const Asleep& call) const noexcept {
    return static_cast<long>(context_.regs[8]) == call.number &&
           std::equal(call.arguments.begin() + 1, call.arguments.end(), context_.regs + 1);
  }
  void begin_again(const Asleep& call) noexcept {
    context_.regs[0] = call.arguments[0];
    context_.pc -= kCallSize;
  }

 private:
#else
  // Nothing is known of the registers: no stack is taken.
  static constexpr std::uint64_t kCallSize = 0;
  std::uint64_t place() const noexcept { return 0; }
  std::uint64_t stack_pointer() const noexcept { return 0; }
  long result() const noexcept { return 0; }
  bool has_arguments_of(const Asleep&) const noexcept { return false; }
  void begin_again(const Asleep&) noexcept {}

 private:
#endif
  mcontext_t& context_;
};

// `place` is where the signal came, `shown` stands for it.
void take_stack(StackTrace& stack, std::uint64_t place, std::uint64_t shown) noexcept {
  constexpr std::size_t kOwnFrames = 8;
  std::array<void*, kMostFrames + kOwnFrames> all;
  const int count = ::backtrace(all.data(), static_cast<int>(all.size()));
  const auto end = all.begin() + count;
  auto first = std::find(all.begin(), end, reinterpret_cast<void*>(place));
  stack.frames[0] = reinterpret_cast<void*>(shown);
  stack.count = 1;
  if (first == end) return;
  for (++first; first != end && stack.count < kMostFrames; ++first) {
    stack.frames[stack.count++] = *first;
  }
}

}  // namespace

struct StackHandler {
  static void handle(int signal, siginfo_t* info, void* context) {
    StackRequest* const request = t_request;
    const bool sent = info->si_code == SI_TKILL && info->si_pid == ::getpid();
    if (request == nullptr || !sent) return pass_on(signal, info, context);
    const int saved_errno = errno;
    answer(*request, *static_cast<ucontext_t*>(context));
    errno = saved_errno;
  }

 private:
  using State = StackRequest::State;

  static void answer(StackRequest& request, ucontext_t& context) noexcept {
    State expected = State::kAsked;
    if (!request.state_.compare_exchange_strong(expected, State::kTaking,
                                                std::memory_order_acquire)) {  // [request]
      return;
    }
    Interrupted interrupted(context);
    const Asleep& call = request.call_;
    if (interrupted.is(call)) {
      // Before it is begun again: the unwinder is to find the place behind the call.
      take_stack(request.stack_, interrupted.place(), call.place);
      if (interrupted.has_failed_in(call) && interrupted.has_arguments_of(call)) {
        interrupted.begin_again(call);
      }
    } else {
      request.stack_.count = 0;
    }
    request.state_.store(State::kAnswered, std::memory_order_release);  // [request]
  }

  static void pass_on(int signal, siginfo_t* info, void* context) {
    if (g_previous.sa_handler == SIG_DFL || g_previous.sa_handler == SIG_IGN) return;
    if ((g_previous.sa_flags & SA_SIGINFO) != 0) {
      g_previous.sa_sigaction(signal, info, context);
    } else {
      g_previous.sa_handler(signal);
    }
  }
};

void StackRequest::serve_here() noexcept { t_request = this; }
void StackRequest::serve_nothing_here() noexcept { t_request = nullptr; }

void StackRequest::ask(int thread, const Asleep& call) noexcept {
  call_ = call;
  state_.store(State::kAsked, std::memory_order_release);  // [request]
  ::syscall(SYS_tgkill, ::getpid(), thread, stack_signal());
}

const StackTrace* StackRequest::answer() const noexcept {
  const bool answered = state_.load(std::memory_order_acquire) == State::kAnswered;  // [request]
  return answered ? &stack_ : nullptr;
}

// Not in the middle of an answer, which may refer to the call still.
void StackRequest::withdraw() noexcept {
  State expected = State::kAsked;
  if (state_.compare_exchange_strong(expected, State::kNone, std::memory_order_relaxed)) return;
  while (state_.load(std::memory_order_acquire) == State::kTaking) ::sched_yield();  // [request]
  state_.store(State::kNone, std::memory_order_relaxed);
}

// Ignored unless somebody asks for it: one that comes when nobody does any more hurts nobody.
int stack_signal() noexcept { return SIGURG; }

void install_stack_handler() noexcept {
  struct sigaction action {};
  action.sa_sigaction = &StackHandler::handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  const int error = ::sigaction(stack_signal(), &action, &g_previous);
  WEFT_ASSERT(error == 0, "the signal exists and may be handled");
}

}  // namespace weft::hook
