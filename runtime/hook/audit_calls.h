#pragma once

// The system calls that may make a thread wait, by name.

#include <string>

#include "hook/audit_log.h"

namespace weft::hook {

/// The call with that number and first argument. Async-signal-safe.
BlockingCall describe_call(long number, std::uint64_t first) noexcept;

/// "read", or "system call 1234".
std::string name_of(const BlockingCall& call);

}  // namespace weft::hook
