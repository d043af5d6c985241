#pragma once

// Ranges of tasks, for wait and as_completed. Not for users; it may change with any release.

#include <weft/task.h>

#include <ranges>
#include <unordered_set>
#include <vector>

namespace weft::detail {

template <class T>
struct TaskTraits {};
template <class T>
struct TaskTraits<Task<T>> {
  using Result = T;
};
template <class A>
concept TaskArgument = requires {
  typename TaskTraits<std::remove_cvref_t<A>>::Result;
};

template <class Range>
using ElementOf = std::remove_cvref_t<std::ranges::range_reference_t<Range>>;

template <class Range>
concept TaskRange =
    std::ranges::input_range<Range> && TaskArgument<std::ranges::range_reference_t<Range>>;

template <class Range>
using TaskIn = typename TaskTraits<ElementOf<Range>>::Result;

/// Each task once, in the order of the range.
template <TaskRange Range>
std::vector<Task<TaskIn<Range>>> distinct_tasks(Range&& range) {
  std::vector<Task<TaskIn<Range>>> tasks;
  std::unordered_set<const Fiber*> seen;
  for (const auto& task : range) {
    check_task(task.ref());
    if (seen.insert(&task.ref().fiber()).second) tasks.push_back(task);
  }
  return tasks;
}

}  // namespace weft::detail
