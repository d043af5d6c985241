#pragma once

// The audit: with WEFT_AUDIT in the environment a run tells, at its end, which calls blocked a
// worker although the hooks are there, with the stack of each. See weft/hook.h.
//
// Two means. Dispatch sees every system call of a worker: audit_dispatch.h. Where the kernel does
// not grant it, a thread looks every few milliseconds what the workers are in: audit_sampling.h.

#include <string>

#include "hook/audit_log.h"

namespace weft::hook {

/// The whole report, made of what the log has; `means` is its first line.
std::string report_of(const AuditLog& log, const std::string& means);

}  // namespace weft::hook
