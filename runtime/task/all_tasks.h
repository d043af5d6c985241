#pragma once

#include <vector>

#include <weft/all_tasks.h>

namespace weft::detail {

/// The tasks of a runtime that have not ended, by id.
std::vector<TaskInfo> tasks_of(const Scheduler& scheduler);

}  // namespace weft::detail
