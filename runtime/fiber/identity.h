#pragma once

// Who a fiber is, for people: its name, its number, where it was spawned, and what it waits for.
//
// Whoever has a handle reads the name as it is. Whoever only came across the descriptor, in a
// report or in a list of all, may find the fiber at its end, which frees the name: both do it under
// one lock, which costs the fibers that have a name.

#include <cstdint>
#include <string>

#include <weft/detail/task_core.h>
#include "fiber/fiber.h"

namespace weft::detail {

/// "task-ID" if it has none, or is another fiber's by now.
std::string name_of(const Fiber& fiber, std::uint64_t id);
void free_name(Fiber& fiber) noexcept;
SpawnSite site_of(const Fiber& fiber) noexcept;

/// "NAME, spawned at FILE:LINE in FUNCTION".
std::string describe(const std::string& name, const SpawnSite& site);
/// The same of whoever the descriptor serves now; "a thread" where that is no fiber.
std::string describe(const Fiber& fiber);

/// "a mutex", "a channel": what the fiber's last wait was or is for.
const char* awaited_kind(const Fiber& fiber) noexcept;

}  // namespace weft::detail
