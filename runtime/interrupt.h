#pragma once

#include "base/atomic.h"

namespace weft::detail {

/// SIGINT, while a runtime runs a main task. Counted: the first one made installs a handler where
/// the program left the signal at its default, the last one puts the default back.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  /// Whether the signal has come since.
  bool interrupted() const noexcept;

 private:
  unsigned before_;
};

/// What threads that wait for a main task sleep on: raised, and everybody woken, by each interrupt
/// and by each end of a main task. Async-signal-safe.
Atomic<std::uint32_t>& main_events() noexcept;
void note_main_event() noexcept;

}  // namespace weft::detail
