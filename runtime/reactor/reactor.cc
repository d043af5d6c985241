#include "reactor/reactor.h"

#include "sched/scheduler.h"

namespace weft::detail {

Reactor* current_reactor() noexcept {
  Scheduler* const scheduler = Scheduler::current();
  return scheduler != nullptr ? scheduler->services().reactor : nullptr;
}

}  // namespace weft::detail
