// A call that is let through is made by a system call instruction here, to which the caller's
// context is sent, and from here it goes back behind its own. Of registers it has but rcx and r11
// to spare, and they are the kernel's. So the way back is on its stack: below the 128 bytes that
// code may use below its stack pointer, and above whatever a signal would put there.
//
// The child of a clone that has a stack of its own finds the way back just below that. The child of
// a vfork would destroy what its parent is to find on the stack that they share. There the way back
// is in a thread-local: the two are one thread to the linker, and one waits for the other.

#if defined(__x86_64__)

#include "hook/audit_entry.h"

namespace weft::hook {

extern "C" {
// By the handler, for the instructions below.
constinit thread_local std::uint64_t weft_audit_way_back
    [[gnu::tls_model("initial-exec"), gnu::visibility("hidden"), gnu::used]] = 0;

void weft_audit_let_through();
void weft_audit_let_clone_through();
void weft_audit_let_vfork_through();
}

// The bytes of weft_audit_restore are those by which unwinders know a signal's frame. They look one
// byte before it for unwinding tables, and must find none.
asm(R"(
  .pushsection .text.weft_audit, "ax", @progbits
  .balign 64
  .hidden weft_audit_allowed_begin
  .globl weft_audit_allowed_begin
weft_audit_allowed_begin:

  .hidden weft_audit_call
  .globl weft_audit_call
  .type weft_audit_call, @function
weft_audit_call:
  .cfi_startproc
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
  ret
  .cfi_endproc
  .size weft_audit_call, . - weft_audit_call

  .balign 16
  nop
  .hidden weft_audit_restore
  .globl weft_audit_restore
  .type weft_audit_restore, @function
weft_audit_restore:
  .byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00  # mov $15, %rax
  syscall
  .size weft_audit_restore, . - weft_audit_restore

  .hidden weft_audit_return_from
  .globl weft_audit_return_from
  .type weft_audit_return_from, @function
weft_audit_return_from:
  mov %rdi, %rsp
  mov $15, %eax
  syscall
  .size weft_audit_return_from, . - weft_audit_return_from

  .hidden weft_audit_let_through
  .globl weft_audit_let_through
  .type weft_audit_let_through, @function
weft_audit_let_through:
  syscall
  ret $128
  .size weft_audit_let_through, . - weft_audit_let_through

  .hidden weft_audit_let_clone_through
  .globl weft_audit_let_clone_through
  .type weft_audit_let_clone_through, @function
weft_audit_let_clone_through:
  syscall
  mov %rax, %rcx
  jrcxz 1f
  ret $128
1:
  jmp *-8(%rsp)
  .size weft_audit_let_clone_through, . - weft_audit_let_clone_through

  .hidden weft_audit_let_vfork_through
  .globl weft_audit_let_vfork_through
  .type weft_audit_let_vfork_through, @function
weft_audit_let_vfork_through:
  syscall
  mov weft_audit_way_back@gottpoff(%rip), %rcx
  jmp *%fs:(%rcx)
  .size weft_audit_let_vfork_through, . - weft_audit_let_vfork_through

  .hidden weft_audit_allowed_end
  .globl weft_audit_allowed_end
weft_audit_allowed_end:
  ud2
  .popsection
)");

namespace {

constexpr std::int64_t kRedZone = 128;

std::uint64_t& at(std::uint64_t address) noexcept {
  return *reinterpret_cast<std::uint64_t*>(address);
}

void go_on_at(ucontext_t& context, void (*code)()) noexcept {
  context.uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(code);
}

void push_way_back(ucontext_t& context) noexcept {
  greg_t* const registers = context.uc_mcontext.gregs;
  registers[REG_RSP] -= kRedZone + static_cast<std::int64_t>(sizeof(std::uint64_t));
  at(static_cast<std::uint64_t>(registers[REG_RSP])) =
      static_cast<std::uint64_t>(registers[REG_RIP]);
}

}  // namespace

void let_through(ucontext_t& context) noexcept {
  push_way_back(context);
  go_on_at(context, &weft_audit_let_through);
}

void let_clone_through(ucontext_t& context, void* stack) noexcept {
  if (stack == nullptr) return let_through(context);
  at(reinterpret_cast<std::uint64_t>(stack) - sizeof(std::uint64_t)) =
      static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  push_way_back(context);
  go_on_at(context, &weft_audit_let_clone_through);
}

void let_vfork_through(ucontext_t& context) noexcept {
  weft_audit_way_back = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
  go_on_at(context, &weft_audit_let_vfork_through);
}

}  // namespace weft::hook

#endif
