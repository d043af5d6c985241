#pragma once

// The report of a stack overflow. A fiber that runs into its guard page faults; the handler, on a
// signal stack of its own because the fiber's is used up, says which fiber it was and how to give
// it more, and then lets the program die the way it would have died without us: the previous
// handler is called, or the default one dumps the core of the faulting instruction. Any other fault
// goes to the previous handler without a word.

#include <cstdint>

#include "fiber/signal_stack.h"
#include "fiber/stack.h"

namespace weft::detail {

/// What the report says of a fiber. Unknown strings are null.
struct CurrentFiberInfo {
  const Stack* stack = nullptr;
  std::uint64_t id = 0;
  const char* name = nullptr;
  const char* file = nullptr;
  unsigned line = 0;
  const char* function = nullptr;
};

/// Describes the fiber that runs on the calling thread; false when there is none.
/// Async-signal-safe.
using DescribeCurrent = bool (*)(CurrentFiberInfo&) noexcept;

/// Counted: the first call installs the SIGSEGV and SIGBUS handlers, and each call needs its
/// remove. The latest `describe` serves all. Thread-safe, not async-signal-safe.
void install_overflow_handler(DescribeCurrent describe);

/// The last call puts the previous handlers back, except where another one was installed over ours
/// since: that one may call ours, which then passes everything on.
void remove_overflow_handler();

}  // namespace weft::detail
