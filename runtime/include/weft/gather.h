#pragma once

#include <weft/outcome.h>
#include <weft/task.h>

#include <array>
#include <ranges>
#include <span>
#include <tuple>
#include <vector>

namespace weft {

/// Asks gather for an Outcome a child instead of the first exception.
struct ReturnExceptions {};
inline constexpr ReturnExceptions return_exceptions{};

namespace detail {

/// Waits for all; without `return_exceptions` only until the first failure, which it throws. When
/// the caller is cancelled: cancels all, waits for them, throws Cancelled.
void gather_tasks(std::span<const TaskRef> tasks, bool return_exceptions);
/// For a gather that could not start all its children.
void cancel_and_wait(std::span<const TaskRef> tasks) noexcept;

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
template <class A>
concept CallableArgument = !TaskArgument<A> && std::is_invocable_v<std::decay_t<A>>;
template <class A>
concept GatherArgument = TaskArgument<A> || CallableArgument<A>;

// Without a Type for anything else, so that the other overload is tried.
template <class A>
struct ArgumentResult {};
template <CallableArgument A>
struct ArgumentResult<A> {
  using Type = ResultOf<A>;
};
template <TaskArgument A>
struct ArgumentResult<A> {
  using Type = typename TaskTraits<std::remove_cvref_t<A>>::Result;
};
template <class A>
using GatheredOf = typename ArgumentResult<A>::Type;

/// The site of a child: a parameter pack leaves no room for the caller's, so the callable's type
/// stands for it.
template <class F>
constexpr SpawnSite site_of() noexcept {
  return {"gather", __PRETTY_FUNCTION__, 0};
}

template <GatherArgument A>
TaskRef as_task(A&& argument) {
  if constexpr (TaskArgument<A>) {
    return argument.ref();
  } else {
    return spawn_here(site_of<std::decay_t<A>>(), std::forward<A>(argument));
  }
}

/// A child that gather started gives its result away; a task that others may hold is copied from,
/// if that can be.
template <class A>
Stored<GatheredOf<A>> take_result(const TaskRef& task) {
  auto& value = static_cast<ResultBody<GatheredOf<A>>&>(task.body()).value();
  if constexpr (TaskArgument<A> && std::is_copy_constructible_v<Stored<GatheredOf<A>>>) {
    return value;
  } else {
    return std::move(value);
  }
}

template <class A>
Outcome<GatheredOf<A>> take_outcome(const TaskRef& task) {
  using Result = Outcome<GatheredOf<A>>;
  return task.outcome() == TaskOutcome::kValue ? Result(take_result<A>(task))
                                               : Result(task.error());
}

/// Starts what is to be started, in order.
template <class... A>
std::array<TaskRef, sizeof...(A)> start_all(A&&... arguments) {
  std::array<TaskRef, sizeof...(A)> tasks;
  std::size_t started = 0;
  try {
    ((tasks[started] = as_task(std::forward<A>(arguments)), ++started), ...);
  } catch (...) {
    cancel_and_wait(std::span(tasks).first(started));
    throw;
  }
  return tasks;
}

template <class Range>
std::vector<TaskRef> start_range(Range&& range) {
  std::vector<TaskRef> tasks;
  if constexpr (std::ranges::sized_range<Range>) tasks.reserve(std::ranges::size(range));
  try {
    for (auto&& element : range) {
      // Room first: a child that has started must not be lost.
      TaskRef& task = tasks.emplace_back();
      // Elements of a range that is a temporary itself may be taken.
      if constexpr (std::is_lvalue_reference_v<Range>) {
        task = as_task(element);
      } else {
        task = as_task(std::move(element));
      }
    }
  } catch (...) {
    if (!tasks.empty() && !tasks.back()) tasks.pop_back();
    cancel_and_wait(tasks);
    throw;
  }
  return tasks;
}

template <class Range>
concept GatherRange =
    std::ranges::input_range<Range> && GatherArgument<std::ranges::range_reference_t<Range>>;

template <class Range>
using ElementOf = std::remove_cvref_t<std::ranges::range_reference_t<Range>>;

}  // namespace detail

/// Runs all concurrently and waits for them: `auto [a, b] = weft::gather(f, g);` gives the results
/// in the order of the arguments (std::monostate for void). Callables are moved or copied into
/// tasks of their own, and start in order; tasks are waited for.
///
/// The first exception, a child's Cancelled included, is thrown to the caller at once. The other
/// children go on, and what they throw later counts as read. They own their callables, but what
/// these refer to must live on: capture by value, or by reference only what outlives the gather. If
/// the caller is cancelled, all children are cancelled, and Cancelled leaves once they have ended.
/// Suspends; only from a fiber (std::logic_error).
template <class... A>
requires(detail::GatherArgument<A>&&...)
    std::tuple<detail::Stored<detail::GatheredOf<A>>...> gather(A&&... arguments) {
  const auto tasks = detail::start_all(std::forward<A>(arguments)...);
  detail::gather_tasks(tasks, false);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<detail::Stored<detail::GatheredOf<A>>...>(
        detail::take_result<A>(tasks[I])...);
  }
  (std::index_sequence_for<A...>());
}

/// The same, but waits for all, and gives for each its value or its exception.
template <class... A>
requires(detail::GatherArgument<A>&&...) std::tuple<Outcome<detail::GatheredOf<A>>...> gather(
    ReturnExceptions, A&&... arguments) {
  const auto tasks = detail::start_all(std::forward<A>(arguments)...);
  detail::gather_tasks(tasks, true);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<Outcome<detail::GatheredOf<A>>...>(detail::take_outcome<A>(tasks[I])...);
  }
  (std::index_sequence_for<A...>());
}

/// The same over a range of callables or tasks: a vector in the range's order.
template <detail::GatherRange Range>
std::vector<detail::Stored<detail::GatheredOf<detail::ElementOf<Range>>>> gather(Range&& range) {
  using A = detail::ElementOf<Range>;
  const std::vector<detail::TaskRef> tasks = detail::start_range(std::forward<Range>(range));
  detail::gather_tasks(tasks, false);
  std::vector<detail::Stored<detail::GatheredOf<A>>> results;
  results.reserve(tasks.size());
  for (const detail::TaskRef& task : tasks) results.push_back(detail::take_result<A>(task));
  return results;
}

template <detail::GatherRange Range>
std::vector<Outcome<detail::GatheredOf<detail::ElementOf<Range>>>> gather(ReturnExceptions,
                                                                          Range&& range) {
  using A = detail::ElementOf<Range>;
  const std::vector<detail::TaskRef> tasks = detail::start_range(std::forward<Range>(range));
  detail::gather_tasks(tasks, true);
  std::vector<Outcome<detail::GatheredOf<A>>> outcomes;
  outcomes.reserve(tasks.size());
  for (const detail::TaskRef& task : tasks) outcomes.push_back(detail::take_outcome<A>(task));
  return outcomes;
}

}  // namespace weft
