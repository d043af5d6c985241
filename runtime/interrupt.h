#pragma once

#include <weft/detail/interrupt_scope.h>

#include <cstdint>

#include "base/atomic.h"

namespace weft::detail {

/// What threads that wait for a main task sleep on: raised, and everybody woken, by each interrupt
/// and by each end of a main task. Async-signal-safe.
Atomic<std::uint32_t>& main_events() noexcept;
void note_main_event() noexcept;

}  // namespace weft::detail
