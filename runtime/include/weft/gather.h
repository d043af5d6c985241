#pragma once

#include <weft/detail/task_range.h>
#include <weft/outcome.h>
#include <weft/task.h>

#include <array>
#include <deque>
#include <ranges>
#include <tuple>
#include <vector>

namespace weft {

/// Asks gather for an Outcome a child instead of the first exception.
struct ReturnExceptions {};
inline constexpr ReturnExceptions return_exceptions{};

namespace detail {

struct CompletionHook;
struct TaskState;

/// A task that a gather waits for. Stays where it is, for the task knows it.
class GatherChild {
 public:
  TaskRef task;

 private:
  friend class Gather;
  struct Hook;
  Hook& hook() noexcept;

  GatherChild* next_ = nullptr;
  bool started_ = false;           // by the gather
  alignas(8) std::byte hook_[40];  // NOLINT(*-member-init): made when it is taken on
};

/// The wait of one fiber for many tasks. First all are taken on, then it waits once. The children
/// outlive it; those that still run at its end are left to themselves.
class Gather {
 public:
  /// Throws std::logic_error outside a fiber.
  explicit Gather(bool return_exceptions);
  ~Gather();
  Gather(const Gather&) = delete;
  Gather& operator=(const Gather&) = delete;

  /// Takes on a task that somebody else has started. Throws std::logic_error if that is the caller.
  void add(GatherChild& child, const TaskRef& task);
  /// Starts one, which may end before this returns. Throws like NewTask::make(); then there is no
  /// such child.
  template <class F>
  void spawn(GatherChild& child, const SpawnSite& site, F&& callable) {
    make_task(site, std::forward<F>(callable),
              [&](NewTask& task, Body& body, std::uint8_t upkeep) noexcept {
                link_unstarted(child, task.fiber());
                child.task = task.start(body, upkeep);
              });
  }

  /// Until all have ended; without `return_exceptions` only until the first failure, which it
  /// throws. When the caller is cancelled: cancels all, waits for them, throws Cancelled.
  void wait();
  /// Instead of wait(), when not all could be started: of those that it has started.
  void cancel_and_wait() noexcept;

 private:
  friend class GatherChild;
  struct Wait;
  Wait& inside() noexcept;
  CompletionHook& link(GatherChild& child, TaskState& state) noexcept;
  /// Of a child that the gather is about to start: its hook is there before it runs.
  void link_unstarted(GatherChild& child, Fiber& fiber) noexcept;
  void cancel_all() noexcept;

  alignas(8) std::byte inside_[80];  // NOLINT(*-member-init): made by the constructor
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
void take_on(Gather& gather, GatherChild& child, A&& argument) {
  if constexpr (TaskArgument<A>) {
    gather.add(child, argument.ref());
  } else {
    gather.spawn(child, site_of<std::decay_t<A>>(), std::forward<A>(argument));
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

/// Starts what is to be started, in order, and waits.
template <class... A>
void gather_all(std::array<GatherChild, sizeof...(A)>& children, bool return_exceptions,
                A&&... arguments) {
  Gather gather(return_exceptions);
  try {
    [[maybe_unused]] GatherChild* child = children.data();
    (take_on(gather, *child++, std::forward<A>(arguments)), ...);
  } catch (...) {
    gather.cancel_and_wait();
    throw;
  }
  gather.wait();
}

template <class Range>
void gather_range(std::deque<GatherChild>& children, bool return_exceptions, Range&& range) {
  Gather gather(return_exceptions);
  try {
    for (auto&& element : range) {
      GatherChild& child = children.emplace_back();
      // Elements may be taken of a range that is a temporary and owns them.
      constexpr bool kOwns = !std::is_lvalue_reference_v<Range> &&
                             !std::ranges::borrowed_range<Range> && !std::ranges::view<Range>;
      if constexpr (kOwns) {
        take_on(gather, child, std::move(element));
      } else {
        take_on(gather, child, std::forward<decltype(element)>(element));
      }
    }
  } catch (...) {
    gather.cancel_and_wait();
    throw;
  }
  gather.wait();
}

template <class Range>
concept GatherRange =
    std::ranges::input_range<Range> && GatherArgument<std::ranges::range_reference_t<Range>>;

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
  std::array<detail::GatherChild, sizeof...(A)> children;
  detail::gather_all(children, false, std::forward<A>(arguments)...);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<detail::Stored<detail::GatheredOf<A>>...>(
        detail::take_result<A>(children[I].task)...);
  }
  (std::index_sequence_for<A...>());
}

/// The same, but waits for all, and gives for each its value or its exception.
template <class... A>
requires(detail::GatherArgument<A>&&...) std::tuple<Outcome<detail::GatheredOf<A>>...> gather(
    ReturnExceptions, A&&... arguments) {
  std::array<detail::GatherChild, sizeof...(A)> children;
  detail::gather_all(children, true, std::forward<A>(arguments)...);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::tuple<Outcome<detail::GatheredOf<A>>...>(
        detail::take_outcome<A>(children[I].task)...);
  }
  (std::index_sequence_for<A...>());
}

/// The same over a range of callables or tasks: a vector in the range's order.
template <detail::GatherRange Range>
std::vector<detail::Stored<detail::GatheredOf<detail::ElementOf<Range>>>> gather(Range&& range) {
  using A = detail::ElementOf<Range>;
  std::deque<detail::GatherChild> children;
  detail::gather_range(children, false, std::forward<Range>(range));
  std::vector<detail::Stored<detail::GatheredOf<A>>> results;
  results.reserve(children.size());
  for (const detail::GatherChild& child : children)
    results.push_back(detail::take_result<A>(child.task));
  return results;
}

template <detail::GatherRange Range>
std::vector<Outcome<detail::GatheredOf<detail::ElementOf<Range>>>> gather(ReturnExceptions,
                                                                          Range&& range) {
  using A = detail::ElementOf<Range>;
  std::deque<detail::GatherChild> children;
  detail::gather_range(children, true, std::forward<Range>(range));
  std::vector<Outcome<detail::GatheredOf<A>>> outcomes;
  outcomes.reserve(children.size());
  for (const detail::GatherChild& child : children)
    outcomes.push_back(detail::take_outcome<A>(child.task));
  return outcomes;
}

template <class... A>
std::tuple<detail::Stored<std::void_t<A>>...> gather(A&&...) {
  static_assert(detail::kRight<A...>,
                "weft::gather: it takes callables, each called without arguments, and weft::Tasks, "
                "any number of both, or one range of either");
  return {};
}

}  // namespace weft
