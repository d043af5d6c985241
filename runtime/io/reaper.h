#pragma once

#include "io/process_state.h"

namespace weft::detail {

/// Takes the status of a child that nobody waits for any more, as soon as it ends, so that no
/// zombie remains. On a thread that is there while there are such children: the runtime that
/// started one may end before it does.
void reap_in_background(ChildProcess&& child) noexcept;

}  // namespace weft::detail
