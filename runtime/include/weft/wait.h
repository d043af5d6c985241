#pragma once

#include <weft/detail/completions.h>
#include <weft/detail/task_range.h>
#include <weft/sleep.h>
#include <weft/task.h>

#include <chrono>
#include <limits>
#include <vector>

namespace weft {

/// When `wait` returns, unless its time is up before: once all tasks have ended, or one has, or one
/// has thrown (Cancelled does not count; then, once all have ended).
enum class ReturnWhen : std::uint8_t { kAllCompleted, kFirstCompleted, kFirstException };
inline constexpr ReturnWhen all_completed = ReturnWhen::kAllCompleted;
inline constexpr ReturnWhen first_completed = ReturnWhen::kFirstCompleted;
inline constexpr ReturnWhen first_exception = ReturnWhen::kFirstException;

/// Each task that was waited for, once, in the order of the arguments.
template <class T>
struct WaitResult {
  std::vector<Task<T>> done, pending;
};

namespace detail {

/// Throws std::invalid_argument if there are none; Cancelled.
void wait_for_tasks(std::span<const TaskRef> tasks, ReturnWhen when, std::int64_t deadline);

template <TaskRange Range>
WaitResult<TaskIn<Range>> wait_to(std::int64_t deadline, const Range& range, ReturnWhen when) {
  std::vector<Task<TaskIn<Range>>> tasks = distinct_tasks(range);
  std::vector<TaskRef> refs;
  refs.reserve(tasks.size());
  for (const auto& task : tasks) refs.push_back(task.ref());
  wait_for_tasks(refs, when, deadline);
  WaitResult<TaskIn<Range>> result;
  for (auto& task : tasks) {
    (task.done() ? result.done : result.pending).push_back(std::move(task));
  }
  return result;
}

}  // namespace detail

/// Waits for some or all of the tasks and says which have ended (asyncio.wait). What they throw
/// stays with them: read it from `done`. Throws std::invalid_argument for an empty range, or a
/// Task that names none. Suspends, unless the answer is there already; cancellable: throws
/// Cancelled, and the tasks go on. A plain thread may call it, too.
template <detail::TaskRange Range>
WaitResult<detail::TaskIn<Range>> wait(const Range& tasks, ReturnWhen when = all_completed) {
  return detail::wait_to(std::numeric_limits<std::int64_t>::max(), tasks, when);
}

/// The same, for `limit` at most; nothing is thrown or cancelled when it is over. Zero or less lets
/// others run once.
template <detail::TaskRange Range, class Rep, class Period>
WaitResult<detail::TaskIn<Range>> wait(const Range& tasks, ReturnWhen when,
                                       std::chrono::duration<Rep, Period> limit) {
  return detail::wait_to(detail::deadline_in(detail::to_span(limit)), tasks, when);
}

template <detail::TaskRange Range, class Rep, class Period>
WaitResult<detail::TaskIn<Range>> wait(const Range& tasks,
                                       std::chrono::duration<Rep, Period> limit) {
  return wait(tasks, all_completed, limit);
}

template <class Range, class... A>
requires(!detail::TaskRange<Range>) WaitResult<void> wait(const Range&, const A&...) {
  static_assert(detail::kRight<Range>,
                "weft::wait: it takes a range of weft::Task<T>, and then when to return, or for "
                "how long to wait, or both");
  return {};
}

}  // namespace weft
