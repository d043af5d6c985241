#pragma once

// The rare side of an asymmetric Dekker: who writes, calls this and then reads spares the other
// side, which does it often, the barrier between its own write and read. When it returns, every
// thread of the process has gone through a full barrier.

#include "base/atomic.h"

namespace weft::detail {

#if !defined(WEFT_MODEL)
void barrier_on_all_threads() noexcept;
/// Makes the first call as quick as all others, some microseconds. Where there is one thread this
/// takes no time, later some 20 ms. False: the kernel knows no such barrier, or a filter refuses.
bool prepare_barrier_on_all_threads() noexcept;
/// Not any more once the kernel has refused it: a filter may be installed late.
bool barrier_is_quick() noexcept;
#endif

}  // namespace weft::detail
