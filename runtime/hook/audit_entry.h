#pragma once

// How a thread whose system calls are dispatched gets into the kernel after all: by instructions
// that the kernel lets through, because they are in one range of addresses. x86-64 only.

#include <ucontext.h>

#include <array>
#include <concepts>
#include <cstdint>

namespace weft::hook {

/// The range.
extern "C" const char weft_audit_allowed_begin[];
extern "C" const char weft_audit_allowed_end[];

/// A system call that is let through. Returns what the kernel does: errors are negative.
extern "C" long weft_audit_call(long number, std::uint64_t a, std::uint64_t b, std::uint64_t c,
                                std::uint64_t d, std::uint64_t e, std::uint64_t f) noexcept;

inline std::uint64_t register_of(const void* pointer) noexcept {
  return reinterpret_cast<std::uint64_t>(pointer);
}
inline std::uint64_t register_of(std::integral auto number) noexcept {
  return static_cast<std::uint64_t>(number);
}
template <class... Arguments>
long call_kernel(long number, Arguments... arguments) noexcept {
  static_assert(sizeof...(arguments) <= 6);
  const std::array<std::uint64_t, 6> words{register_of(arguments)...};
  return weft_audit_call(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

/// What a signal handler returns to, as sa_restorer.
extern "C" void weft_audit_restore();

/// Has the interrupted code go on with its call, as if nobody had come between: with its own stack,
/// registers and signal mask.
void let_through(ucontext_t& context) noexcept;
/// The same for a call that makes another process or thread; `stack` is the top of the child's own,
/// null if it goes on with a copy of the caller's.
void let_clone_through(ucontext_t& context, void* stack) noexcept;
/// The same for a child that borrows the caller's memory and stack, while the caller waits for it.
void let_vfork_through(ucontext_t& context) noexcept;

/// Does what rt_sigreturn(2) does with the frame of a signal handler whose stack ends at `stack`.
extern "C" [[noreturn]] void weft_audit_return_from(std::uint64_t stack) noexcept;

}  // namespace weft::hook
