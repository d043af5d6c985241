// vfork(2). Its child runs on the parent's memory, as the fiber that called: a hook there would
// take it for the fiber. So in a fiber it is fork(2), which does what vfork(2) promises; the child
// knows itself by then (see caller.cc). In a plain thread it is libc's. The child returns from here
// before the parent does, so there must be nothing here to return to: it is left by a jump.

#include <unistd.h>

#include "hook/caller.h"
#include "hook/libc.h"

#if defined(__x86_64__) || defined(__aarch64__)

// Read by the assembly below.
extern "C" [[gnu::visibility("hidden")]] void* weft_hook_vfork_target() noexcept {
  return weft::hook::in_fiber() ? reinterpret_cast<void*>(&::fork)
                                : weft::hook::find_in_libc("vfork");
}

#if defined(__x86_64__)
asm(R"(
  .pushsection .text
  .globl vfork
  .type vfork, @function
vfork:
  .cfi_startproc
  endbr64
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  call weft_hook_vfork_target
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  jmp *%rax
  .cfi_endproc
  .size vfork, .-vfork
  .popsection
)");
#else
asm(R"(
  .pushsection .text
  .globl vfork
  .type vfork, %function
vfork:
  .cfi_startproc
  hint #34
  stp x29, x30, [sp, #-16]!
  .cfi_adjust_cfa_offset 16
  bl weft_hook_vfork_target
  ldp x29, x30, [sp], #16
  .cfi_adjust_cfa_offset -16
  br x0
  .cfi_endproc
  .size vfork, .-vfork
  .popsection
)");
#endif

#endif
