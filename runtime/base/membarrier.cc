#include "base/membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own_call.h"

namespace weft::detail {

bool prepare_barrier_on_all_threads() noexcept {
  static const bool registered =
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return registered;
}

void barrier_on_all_threads() noexcept {
  if (prepare_barrier_on_all_threads() &&
      ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
    return;
  // Refused: by a filter, or an old kernel. Every processor switches threads within this.
  const OwnCall scope;
  ::usleep(20'000);
}

}  // namespace weft::detail
