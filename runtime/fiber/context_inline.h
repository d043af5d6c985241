#pragma once

// The switch as a few instructions in the function that jumps. Every register is declared
// clobbered, so the compiler saves those in use there or by its callers, and no others.
//
// A context is a stack pointer. On the stack are the address to resume at and the frame pointer,
// which is saved here because the compiler does not let it be clobbered. A switch ends in an
// indirect jump and not in `ret`, which the processor would predict from the calls of the stack
// that it left.
//
// What is given up:
//  - The floating-point control words (MXCSR and x87's, FPCR): rounding mode, masks and flushing
//    of denormals stay with the thread. A fiber that changes them must restore them before it
//    suspends, or it changes them for others, and may find those of another thread.
//  - Shadow stacks (CET, Arm's guarded control stack, Clang's shadow call stack): a return after a
//    switch would not match them.
//
// The assembly may be copied, by inlining, unrolling or cloning: its label is a local one, and each
// copy resumes at its own. No other code jumps there, so `asm goto`, which would tell of a second
// way out, is not needed. A signal between any two of its instructions finds what is in use either
// above the stack pointer or in the red zone below it, on both stacks.

#include <cstddef>
#include <cstdint>

#include "fiber/clobbers.h"

namespace weft::detail {

using Context = void*;

/// What arrives with a jump: where the previous stack stopped, and the word it sent along. The ABIs
/// hand it to a function in the first two registers for arguments, where jump() leaves it.
struct Transfer {
  Context fctx;
  void* data;
};

/// Whether the rounding mode and the like belong to the stack, or else to the thread.
inline constexpr bool kKeepsControlWords = false;

/// The highest place below `top` at which both ABIs allow a stack to begin.
inline std::uintptr_t* aligned_words(std::byte* top) {
  return reinterpret_cast<std::uintptr_t*>(top - reinterpret_cast<std::uintptr_t>(top) % 16);
}

#if defined(__x86_64__) && defined(__LP64__)

#if defined(__CET__) && (__CET__ & 2)
#error "the inline context knows no shadow stacks: compile with -fcf-protection=branch or none"
#endif

// An indirect jump must find this where -fcf-protection asks the processor to check.
#if defined(__CET__) && (__CET__ & 1)
#define WEFT_LANDING_PAD "endbr64\n\t"
#else
#define WEFT_LANDING_PAD ""
#endif

// The 128 bytes skipped are the red zone, in which a leaf function may keep live data below its
// stack pointer; so may we, with the address to resume at.
[[gnu::always_inline]] inline Transfer jump(Context to, void* data) {
  Context from;
  asm volatile(
      "leaq -136(%%rsp), %%rsp\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "movq %%rbp, (%%rsp)\n\t"
      "movq %%rax, -8(%%rsp)\n\t"
      "movq %%rsp, %%rdi\n\t"
      "movq %%rdx, %%rsp\n\t"
      "movq (%%rdx), %%rbp\n\t"
      "jmp *-8(%%rdx)\n"
      "1:\n\t" WEFT_LANDING_PAD "leaq 136(%%rsp), %%rsp"
      : "=&D"(from), "+S"(data), "+d"(to)
      :
      : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        WEFT_SWITCH_CLOBBERS);
  return {from, data};
}

#undef WEFT_LANDING_PAD

/// A context that will run `entry` at the top of a stack when first jumped to.
inline Context make_context(std::byte* top, std::size_t, void (*entry)(Transfer)) {
  // Entered as by a call that pushed a return address. The word that says so is zero, as is the
  // frame pointer, which is that same word: who walks the frames ends here.
  auto* const words = aligned_words(top) - 1;
  words[0] = 0;
  words[-1] = reinterpret_cast<std::uintptr_t>(entry);
  return words;
}

#elif defined(__aarch64__) && defined(__LP64__)

#if defined(__has_feature)
#if __has_feature(shadow_call_stack)
#error "the inline context knows no shadow call stacks: compile without"
#endif
#endif

// `bti j`, by the number that older assemblers and processors take for a no-op.
#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define WEFT_LANDING_PAD "hint #36\n\t"
#else
#define WEFT_LANDING_PAD ""
#endif

// There is no red zone. The jump is by x17, from which branch protection allows the landing pad of
// a function (a first frame) as well as that of a jump. The return address is zero for a first
// frame; everybody else has it on the stack, signed or not. x18 is clobbered like the others: where
// a platform reserves it, the compiler does not use it.
[[gnu::always_inline]] inline Transfer jump(Context to, void* data) {
  register Context from asm("x0");
  register void* word asm("x1") = data;
  register Context there asm("x2") = to;
  asm volatile(
      "adr x17, 1f\n\t"
      "stp x29, x17, [sp, #-16]!\n\t"
      "mov x0, sp\n\t"
      "mov sp, x2\n\t"
      "ldp x29, x17, [sp], #16\n\t"
      "mov x30, xzr\n\t"
      "br x17\n"
      "1:\n\t" WEFT_LANDING_PAD
      : "=&r"(from), "+r"(word), "+r"(there)
      :
      : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
        "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30",
        WEFT_SWITCH_CLOBBERS);
  return {from, word};
}

#undef WEFT_LANDING_PAD

/// A context that will run `entry` at the top of a stack when first jumped to.
inline Context make_context(std::byte* top, std::size_t, void (*entry)(Transfer)) {
  // The frame pointer is zero: who walks the frames ends here.
  auto* const words = aligned_words(top) - 2;
  words[0] = 0;
  words[1] = reinterpret_cast<std::uintptr_t>(entry);
  return words;
}

#else
#error "the inline context is written for x86-64 and aarch64"
#endif

}  // namespace weft::detail
