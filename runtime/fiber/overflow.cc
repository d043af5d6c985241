#include "fiber/overflow.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>

#include "base/assert.h"
#include "base/atomic.h"
#include "fiber/guard.h"

namespace weft::detail {

namespace {

/// Text in fixed memory, for a signal handler: no allocation, no stdio, no locale. What does not
/// fit is cut.
class Report {
 public:
  Report& text(const char* text) noexcept { return append(text, std::strlen(text)); }
  Report& decimal(std::uint64_t number) noexcept { return digits(number, 10); }
  Report& address(const void* address) noexcept {
    return text("0x").digits(reinterpret_cast<std::uintptr_t>(address), 16);
  }

  void write_to(int fd) const noexcept {
    std::size_t written = 0;
    while (written < used_) {
      const ssize_t count = ::syscall(SYS_write, fd, text_.data() + written, used_ - written);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;  // nobody can be told
      written += static_cast<std::size_t>(count);
    }
  }

 private:
  // A name of any length must leave room for the rest of the report.
  static constexpr std::size_t kLongestPiece = 200;

  Report& append(const char* piece, std::size_t length) noexcept {
    const std::size_t room = std::min({length, kLongestPiece, text_.size() - used_});
    std::memcpy(text_.data() + used_, piece, room);
    used_ += room;
    return *this;
  }
  Report& digits(std::uint64_t number, int base) noexcept {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
    return append(digits.data(), static_cast<std::size_t>(end - digits.data()));
  }

  std::array<char, 1536> text_;
  std::size_t used_ = 0;
};

void report_overflow(const CurrentFiberInfo& fiber, const void* address) noexcept {
  const Stack& stack = *fiber.stack;
  Report report;
  report.text("weft: stack overflow in fiber ").decimal(fiber.id);
  if (fiber.name != nullptr && *fiber.name != '\0') report.text(" \"").text(fiber.name).text("\"");
  if (fiber.file != nullptr) {
    report.text(", spawned at ").text(fiber.file).text(":").decimal(fiber.line);
    if (fiber.function != nullptr) report.text(" (").text(fiber.function).text(")");
  }
  const auto below = stack.limit - static_cast<const std::byte*>(address);
  report.text("\nweft: it touched ").address(address).text(", ");
  report.decimal(static_cast<std::uint64_t>(below)).text(" bytes below its stack of ");
  report.decimal(stack.size).text(" bytes at ").address(stack.limit).text("\n");
  const std::size_t size = class_size(stack.size_class);
  if (size < kMaxStackSize) {
    report.text("weft: give it a larger one: spawn({.stack_size = ")
        .decimal(2 * size)
        .text("}, ...)\n");
  } else {
    report.text(
        "weft: no larger one can be had: keep big locals on the heap, and recursion short\n");
  }
  report.write_to(STDERR_FILENO);
}

/// One signal's handler before ours. `previous` is written only while nothing can reach our
/// handler, so the handler reads it without a lock.
struct Hook {
  int signal;
  bool linked;  // ours is installed, or covered by another that may still call it; under g_mutex
  struct sigaction previous;
};

constinit std::mutex g_mutex;
constinit int g_references = 0;  // under g_mutex
constinit std::array<Hook, 2> g_hooks{Hook{SIGSEGV, false, {}}, Hook{SIGBUS, false, {}}};

// Written under g_mutex, read by the handler on any thread.
constinit Atomic<DescribeCurrent> g_describe{nullptr};

bool is_default_or_ignored(const struct sigaction& action) noexcept {
  return action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN;
}

void set_default(int signal) noexcept {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  ::sigaction(signal, &action, nullptr);
}

/// What the kernel would have done with this signal if we had not been there.
void pass_on(const struct sigaction& previous, int signal, siginfo_t* info,
             void* context) noexcept {
  if (!is_default_or_ignored(previous)) {
    // One that asked to be called once counts on the default the second time.
    if ((previous.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) set_default(signal);
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
      previous.sa_sigaction(signal, info, context);
    } else {
      previous.sa_handler(signal);
    }
    return;
  }
  // A fault cannot be ignored: the instruction would fault for ever, so the kernel uses the
  // default. A signal that was sent can.
  const bool sent = info->si_code <= 0;
  if (sent && previous.sa_handler == SIG_IGN) return;
  set_default(signal);
  // Returning repeats the instruction, which faults again and leaves a core with the right address.
  // A sent signal, or news of a broken page nobody touched yet, would not come again by itself.
  const bool comes_again = !sent && !(signal == SIGBUS && info->si_code == BUS_MCEERR_AO);
  if (!comes_again) ::raise(signal);
}

void handle_fault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const bool fault = info->si_code > 0;  // otherwise si_addr means nothing
  const DescribeCurrent describe = g_describe.load();
  CurrentFiberInfo fiber;
  if (fault && describe != nullptr && describe(fiber) && fiber.stack != nullptr &&
      fiber.stack->guard_contains(info->si_addr)) {
    report_overflow(fiber, info->si_addr);
  }
  errno = saved_errno;
  pass_on(signal == SIGSEGV ? g_hooks[0].previous : g_hooks[1].previous, signal, info, context);
}

struct sigaction current_action(int signal) noexcept {
  struct sigaction action {};
  const int result = ::sigaction(signal, nullptr, &action);
  WEFT_ASSERT(result == 0, "the signal exists and may be handled");
  return action;
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == handle_fault;
}

void link(Hook& hook) noexcept {
  const struct sigaction current = current_action(hook.signal);
  if (is_ours(current)) return;
  // Still covered by another handler, which presumably calls ours. Above it as well, ours and it
  // would call each other for ever.
  if (hook.linked && !is_default_or_ignored(current)) return;
  hook.previous = current;
  struct sigaction action {};
  action.sa_sigaction = handle_fault;
  // The previous handler must run with the mask it asked for.
  action.sa_mask = current.sa_mask;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | (current.sa_flags & (SA_NODEFER | SA_RESTART));
  const int result = ::sigaction(hook.signal, &action, nullptr);
  WEFT_ASSERT(result == 0, "the signal exists and may be handled");
  hook.linked = true;
}

void unlink(Hook& hook) noexcept {
  if (!is_ours(current_action(hook.signal))) return;
  ::sigaction(hook.signal, &hook.previous, nullptr);
  hook.linked = false;
}

}  // namespace

void install_overflow_handler(DescribeCurrent describe) {
  const std::lock_guard lock(g_mutex);
  page_size();  // the handler asks for it; the first time is not async-signal-safe
  g_describe.store(describe);
  if (g_references++ > 0) return;
  for (Hook& hook : g_hooks) link(hook);
}

void remove_overflow_handler() {
  const std::lock_guard lock(g_mutex);
  WEFT_ASSERT(g_references > 0, "each remove has its install");
  if (--g_references > 0) return;
  for (Hook& hook : g_hooks) unlink(hook);
  g_describe.store(nullptr);
}

}  // namespace weft::detail
