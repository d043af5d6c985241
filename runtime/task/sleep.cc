#include <weft/sleep.h>

#include <weft/error.h>
#include <weft/task.h>
#include "sched/wait.h"
#include "time/clock.h"

namespace weft::detail {

std::int64_t deadline_in(std::chrono::nanoseconds span) noexcept {
  return span.count() <= 0 ? 0 : deadline_after(span);
}

void sleep_to(std::int64_t deadline) {
  if (deadline <= 0) {
    yield();
    return;
  }
  current_token(WaitsFor::kSleep);  // one without an end has no timer to tell it by
  if (suspend_until(deadline, nullptr, nullptr) == Wake::kCancelled || take_cancellation()) {
    throw Cancelled();
  }
}

}  // namespace weft::detail
