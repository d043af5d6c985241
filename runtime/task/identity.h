#pragma once

// Who a task is, for people: its name, its number, and where it was spawned.
//
// Whoever has a handle reads the name as it is. Whoever only came across the descriptor, in a
// report or in all_tasks(), may find the task at its end, which frees the name: both do it under
// one lock, which costs the tasks that have a name.

#include <cstdint>
#include <string>
#include <vector>

#include <weft/all_tasks.h>
#include "fiber/fiber.h"

namespace weft::detail {

/// "task-ID" if it has none, or is another task's by now.
std::string name_of(const Fiber& fiber, std::uint64_t id);
void free_name(Fiber& fiber) noexcept;
SpawnSite site_of(const Fiber& fiber) noexcept;

/// The tasks of a runtime that have not ended, by id.
std::vector<TaskInfo> tasks_of(const Scheduler& scheduler);

}  // namespace weft::detail
