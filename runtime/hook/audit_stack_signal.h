#pragma once

// The stack of a thread that sleeps in a system call is taken by the thread itself, in a signal
// handler. That ends calls which the kernel does not begin again after a handler, such as
// nanosleep(2). So the handler begins them again itself, when it finds the very call that it was
// sent into: same place, same stack pointer, same arguments. A call that is told a span of time
// takes longer by what had passed.

#include <array>
#include <atomic>
#include <cstdint>

#include "hook/audit_log.h"

namespace weft::hook {

/// A thread asleep, as the kernel shows it.
struct Asleep {
  long number = BlockingCall::kUnknown;
  std::array<std::uint64_t, 6> arguments{};
  std::uint64_t stack_pointer = 0;
  std::uint64_t place = 0;

  bool operator==(const Asleep&) const = default;
};

/// For one thread, asked by another, one at a time.
class StackRequest {
 public:
  /// On the thread itself: the request is for it from now on.
  void serve_here() noexcept;
  static void serve_nothing_here() noexcept;

  /// Sends for the stack, if the thread is still in that call when the signal comes.
  void ask(int thread, const Asleep& call) noexcept;
  /// Null as long as there is none.
  const StackTrace* answer() const noexcept;
  /// Until the next: a signal that comes late finds nothing to do.
  void withdraw() noexcept;

 private:
  friend struct StackHandler;

  enum class State : std::uint8_t { kNone, kAsked, kTaking, kAnswered };

  // None and Asked by who asks, the others by the thread. Asked publishes the call, Answered the
  // stack. [request]
  std::atomic<State> state_{State::kNone};
  Asleep call_;
  StackTrace stack_;
};

/// The signal, and its handler.
int stack_signal() noexcept;
void install_stack_handler() noexcept;

}  // namespace weft::hook
