#include <weft/sleep.h>

#include <weft/error.h>
#include <weft/task.h>
#include "sched/wait.h"
#include "time/clock.h"

namespace weft::detail {

std::int64_t deadline_in(std::chrono::nanoseconds span) noexcept {
  return span.count() <= 0 ? 0 : deadline_after(span);
}

// A moment that has passed is 0, which is how `timeout` knows that there is nothing to wait for.
std::int64_t deadline_at(std::chrono::nanoseconds moment) noexcept {
  return moment.count() <= now() ? 0 : moment.count();
}

void sleep_to(std::int64_t deadline) {
  if (deadline <= 0) {
    yield();
    return;
  }
  if (suspend_until(deadline, nullptr, nullptr) == Wake::kCancelled || take_cancellation()) {
    throw Cancelled();
  }
}

}  // namespace weft::detail
