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
long word_of(T value) noexcept {
  if constexpr (std::integral<T>) {
    return static_cast<long>(value);
  } else {
    return reinterpret_cast<std::intptr_t>(value);
  }
}

/// The result, or the error as a negative number. errno stays as it is.
template <class A, class B, class C, class D, class E, class F>
[[gnu::always_inline]] inline long system_call(long number, A a, B b, C c, D d, E e, F f) noexcept {
#if defined(__x86_64__)
  register long fourth asm("r10") = word_of(d);
  register long fifth asm("r8") = word_of(e);
  register long sixth asm("r9") = word_of(f);
  long result = number;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(word_of(a)), "S"(word_of(b)), "d"(word_of(c)), "r"(fourth), "r"(fifth),
                 "r"(sixth)
               : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long which asm("x8") = number;
  register long result asm("x0") = word_of(a);
  register long second asm("x1") = word_of(b);
  register long third asm("x2") = word_of(c);
  register long fourth asm("x3") = word_of(d);
  register long fifth asm("x4") = word_of(e);
  register long sixth asm("x5") = word_of(f);
  asm volatile("svc 0"
               : "+r"(result)
               : "r"(which), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
               : "memory");
#else
  const int before = errno;
  long result = ::syscall(number, a, b, c, d, e, f);
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
