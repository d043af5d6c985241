#pragma once

// The switch by Boost.Context's `jump_fcontext`, entered in the way that the processor predicts
// best. It saves what a call must preserve, on x86-64 with the floating-point control words.
//
// `jump_fcontext` leaves by an indirect `jmp`. Entered by `call`, it unbalances the return-address
// predictor, and the next `ret` of whoever runs afterwards is mispredicted. On x86-64 the return
// address is therefore pushed by hand and the function entered by `jmp`; measured, that is a third
// of a whole yield. The 128 bytes skipped first are the red zone, in which a leaf function may keep
// live data below its stack pointer. Every frame is compiled with a frame pointer, so a debugger
// that unwinds a parked fiber is not misled by the pushes. Elsewhere, and under sanitizers (which
// want to see the call), it is a plain call.

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#include "fiber/clobbers.h"
#include "fiber/sanitizer.h"

namespace weft::detail {

using Context = boost::context::detail::fcontext_t;

/// What arrives with a jump: where the previous stack stopped, and the word it sent along.
using Transfer = boost::context::detail::transfer_t;

/// Whether the rounding mode and the like belong to the stack, or else to the thread.
#if defined(__x86_64__)
inline constexpr bool kKeepsControlWords = true;
#else
inline constexpr bool kKeepsControlWords = false;
#endif

#if defined(__x86_64__) && defined(__LP64__) && !defined(WEFT_ASAN) && !defined(WEFT_TSAN)

[[gnu::always_inline]] inline Transfer jump(Context to, void* data) {
  Transfer arrived;
  asm volatile(
      "leaq -128(%%rsp), %%rsp\n\t"
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "jmp *jump_fcontext@GOTPCREL(%%rip)\n"
      "1:\n\t"
      "leaq 128(%%rsp), %%rsp"
      : "=&a"(arrived.fctx), "=&d"(arrived.data), "+D"(to), "+S"(data)
      :
      : "rcx", "r8", "r9", "r10", "r11", WEFT_SWITCH_CLOBBERS);
  return arrived;
}

#else

[[gnu::always_inline]] inline Transfer jump(Context to, void* data) {
  return boost::context::detail::jump_fcontext(to, data);
}

#endif

/// A context that will run `entry` at the top of a stack when first jumped to.
inline Context make_context(std::byte* top, std::size_t size, void (*entry)(Transfer)) {
  return boost::context::detail::make_fcontext(top, size, entry);
}

}  // namespace weft::detail
