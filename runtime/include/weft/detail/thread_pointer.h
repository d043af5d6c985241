#pragma once

// How fibers read a thread-local pointer.
//
// A compiler may keep the address of a thread-local, and a fiber that goes on elsewhere would find
// with it what belongs to the thread that it was on. So the compiler gets to see none: a line of
// assembly names the variable, each time anew. Elsewhere than on these two processors it is read by
// a call that is never inlined.
//
//     #if WEFT_READS_THREAD_POINTERS
//     inline Thing* thing_of_this_thread() noexcept {
//       WEFT_RETURN_THREAD_POINTER(Thing*, "symbol");
//     }
//     #else  // never inlined, with asm volatile("" ::: "memory") before the return
//     #endif
//
// The variable: thread_local, of the model initial-exec, and with that symbol as its name.

#include <cstdint>

#if defined(__x86_64__)
#define WEFT_READS_THREAD_POINTERS 1
#define WEFT_RETURN_THREAD_POINTER(type, symbol)                                                 \
  type read_;                                                                                    \
  asm inline volatile("{movq " symbol                                                            \
                      "@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0|"                              \
                      "mov %0, QWORD PTR " symbol "@gottpoff[rip]\n\tmov %0, QWORD PTR fs:[%0]}" \
                      : "=r"(read_));                                                            \
  return read_
#elif defined(__aarch64__)
#define WEFT_READS_THREAD_POINTERS 1
#define WEFT_RETURN_THREAD_POINTER(type, symbol)                                         \
  type read_;                                                                            \
  std::uintptr_t thread_;                                                                \
  asm inline volatile("mrs %1, tpidr_el0\n\tadrp %0, :gottprel:" symbol                  \
                      "\n\tldr %0, [%0, #:gottprel_lo12:" symbol "]\n\tldr %0, [%0, %1]" \
                      : "=&r"(read_), "=&r"(thread_));                                   \
  return read_
#else
#define WEFT_READS_THREAD_POINTERS 0
#endif
