#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/process_state.h"

namespace weft::detail {

/// See Process::spawn().
std::unique_ptr<ProcessState> spawn_process(const std::vector<std::string>& argv,
                                            const ProcessOptions& options);

}  // namespace weft::detail
