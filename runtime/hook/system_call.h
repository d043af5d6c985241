#pragma once

// A system call without libc's syscall(2) and without errno: these are functions in another page,
// called through a table in one more, and after a call of the kernel each page that is touched may
// have to be looked up again.

#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <utility>

namespace weft::hook {

template <class T>
[[gnu::always_inline]] inline long word_of(T value) noexcept {
  if constexpr (std::integral<T>) {
    return static_cast<long>(value);
  } else {
    return reinterpret_cast<std::intptr_t>(value);
  }
}

/// The result, or the error as a negative number. errno stays as it is.
template <class A, class B, class C, class D, class E, class F>
[[gnu::always_inline]] inline long system_call(long number, A a, B b, C c, D d, E e, F f) noexcept {
  // Before any of the registers is taken: between two of them nothing may be called.
  const long words[] = {word_of(a), word_of(b), word_of(c), word_of(d), word_of(e), word_of(f)};
#if defined(__x86_64__)
  register long fourth asm("r10") = words[3];
  register long fifth asm("r8") = words[4];
  register long sixth asm("r9") = words[5];
  long result = number;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(words[0]), "S"(words[1]), "d"(words[2]), "r"(fourth), "r"(fifth), "r"(sixth)
               : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long which asm("x8") = number;
  register long result asm("x0") = words[0];
  register long second asm("x1") = words[1];
  register long third asm("x2") = words[2];
  register long fourth asm("x3") = words[3];
  register long fifth asm("x4") = words[4];
  register long sixth asm("x5") = words[5];
  asm volatile("svc 0"
               : "+r"(result)
               : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
               : "memory");
#else
  const int before = errno;
  long result = ::syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
  if (result < 0) result = -std::exchange(errno, before);
#endif
  return result;
}

/// The same as libc's functions return it: -1 and errno.
inline long or_errno(long result) noexcept {
  if (result >= 0) [[likely]]
    return result;
  errno = static_cast<int>(-result);
  return -1;
}

}  // namespace weft::hook
