#include <weft/wait.h>

#include <stdexcept>

#include "time/clock.h"

namespace weft::detail {

void wait_for_tasks(std::span<const TaskRef> tasks, ReturnWhen when, std::int64_t deadline) {
  static_assert(kNever == std::numeric_limits<std::int64_t>::max());
  if (tasks.empty()) throw std::invalid_argument("weft::wait: there is no task to wait for");
  Completions completions(tasks);
  const std::size_t count = when == first_completed ? 1 : tasks.size();
  const auto until =
      when == first_exception ? Completions::Until::kCountOrFailure : Completions::Until::kCount;
  // A moment that has passed is 0: nobody sleeps that long, but others get a turn.
  if (deadline <= 0) {
    yield();
  } else {
    completions.wait(count, until, deadline);
  }
}

}  // namespace weft::detail
