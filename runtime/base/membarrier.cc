#include "base/membarrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own_call.h"

namespace weft::detail {

namespace {
constinit Atomic<bool> g_refused{false};  // publishes nothing
}

bool barrier_is_quick() noexcept {
  return prepare_barrier_on_all_threads() && !g_refused.load(std::memory_order_relaxed);
}

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
  g_refused.store(true, std::memory_order_relaxed);
  const OwnCall scope;
  ::usleep(20'000);
}

}  // namespace weft::detail
