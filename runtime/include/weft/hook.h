#pragma once

// The hooks, for programs that link them (weft_hook): libc's blocking calls suspend fibers. There
// is nothing to call for that. Not part of <weft/weft.h>.
//
// What they do not reach still blocks its worker: code that makes system calls itself or has its
// own libc linked in, functions inside libc that call others there, as stdio does, and locks of
// threads that are really waited for. The audit tells which calls did, so that a port can be
// judged:
//
//   WEFT_AUDIT=1 ./program        a report on standard error at the program's end
//   WEFT_AUDIT=FILE ./program     the same, at the end of a file; 0 or nothing: no audit
//   WEFT_AUDIT_BY=sampling        by looking at the workers now and then, not at every call
//
// A program that ends by _exit(2) or a signal tells nothing, unless it has asked before.
//
// Each stack is told once, those first that took longest: the system call and its descriptor, how
// often and how long, the first fiber that it was seen in, and where in the program. The last line
// is the sum, or "weft audit: nothing blocked a worker".
//
// By dispatch, which is the usual means on x86-64 and Linux 5.11 or later, every system call of a
// worker costs some microseconds more, and those that slept for 0.1 ms or longer are told. The
// audit then has SIGSYS for itself, and a debugger is to pass it on (in gdb: handle SIGSYS nostop
// noprint). By sampling a run costs little and calls are missed that are shorter than 4 ms; the
// audit then uses SIGURG.

#include <string>

namespace weft {

/// Whether this run is audited.
bool hook_audit_runs() noexcept;

/// The report on what has been seen so far; "" if the run is not audited. From any thread or fiber.
std::string hook_audit_report();

}  // namespace weft
