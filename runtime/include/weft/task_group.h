#pragma once

#include <weft/error.h>
#include <weft/exception_group.h>
#include <weft/task.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

class TaskGroup;

namespace detail {

struct GroupChild;

/// What a child of a group runs: a failure stops its siblings before anybody can see its end.
template <class F>
struct GroupCall {
  TaskGroup* group;
  F callable;

  std::invoke_result_t<F> operator()() &&;
};

}  // namespace detail

/// The children of a `task_group`. Used by its body and by its children, on any worker, until all
/// of them have ended.
class TaskGroup {
 public:
  /// Starts a child, as weft::spawn does. Children may start siblings while the group waits for
  /// them. Its exception belongs to the group and counts as read. Throws std::logic_error when the
  /// group is shutting down or has ended, and what weft::spawn throws. Never suspends.
  template <class F>
  requires std::is_invocable_v<std::decay_t<F>> Task<detail::ResultOf<F>> spawn(
      F&& callable, SpawnSite site = SpawnSite::current()) {
    return spawn(SpawnOptions(), std::forward<F>(callable), site);
  }
  template <class F>
  requires std::is_invocable_v<std::decay_t<F>> Task<detail::ResultOf<F>> spawn(
      const SpawnOptions& options, F&& callable, SpawnSite site = SpawnSite::current()) {
    using Call = detail::GroupCall<std::decay_t<F>>;
    Place place(*this);
    return Task<detail::ResultOf<F>>(detail::make_task(
        nullptr, options, site, Call{this, std::forward<F>(callable)},
        [&](detail::NewTask& task, detail::Body& body, std::uint8_t upkeep) noexcept {
          return place.start(task, body, upkeep);
        }));
  }

  template <class F>
  Task<void> spawn(F&&, SpawnSite = {}) {
    static_assert(detail::kRight<F>,
                  "weft::TaskGroup::spawn: a task's callable " WEFT_TAKES_NO_ARGUMENTS);
    return {};
  }
  template <class F>
  Task<void> spawn(const SpawnOptions&, F&&, SpawnSite = {}) {
    static_assert(detail::kRight<F>,
                  "weft::TaskGroup::spawn: a task's callable " WEFT_TAKES_NO_ARGUMENTS);
    return {};
  }

  /// For `task_group` itself.
  TaskGroup();
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  /// Waits for all children; `error` is what left the body, or null. Throws what leaves the group.
  void close(std::exception_ptr error);
  /// By a child that fails.
  void stop_others() noexcept;

 private:
  struct Inside;

  /// A child's place in the group, given back if it does not start.
  class Place {
   public:
    explicit Place(TaskGroup& group);
    ~Place();
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    detail::TaskRef start(detail::NewTask& task, detail::Body& body, std::uint8_t upkeep) noexcept;

   private:
    Inside& group_;
    std::unique_ptr<detail::GroupChild> child_;
  };

  friend struct detail::GroupChild;
  Inside& inside() noexcept;
  bool abort() noexcept;  // true for the first who does
  bool wait_for_all(bool was_told);

  alignas(8) std::byte inside_[128];  // NOLINT(*-member-init): made by the constructor
};

template <class F>
std::invoke_result_t<F> detail::GroupCall<F>::operator()() && {
  try {
    return std::invoke(std::move(callable));
  } catch (const Cancelled&) {
    throw;
  } catch (...) {
    group->stop_others();
    throw;
  }
}

/// Runs `body(TaskGroup&)` in the calling fiber, waits until it and all children that were started
/// in the group have ended, and returns what the body returned (asyncio's TaskGroup).
///
/// The first child that fails (Cancelled is no failure) cancels its siblings and the body; so does
/// an exception that leaves the body, or a cancellation of the caller. All are waited for, however
/// long they take. Then ExceptionGroup is thrown with every failure in the order of time, the
/// body's last. If there was none, but the caller was cancelled, Cancelled is thrown; if there were
/// both, the group is thrown and the cancellation stays pending for the next suspension point.
///
/// No child outlives the call, so children may refer to the caller's frame. Suspends; only in a
/// fiber (std::logic_error).
template <class F>
requires std::is_invocable_v<F, TaskGroup&>
auto task_group(F&& body) -> std::remove_reference_t<std::invoke_result_t<F, TaskGroup&>> {
  using Result = std::remove_reference_t<std::invoke_result_t<F, TaskGroup&>>;
  static_assert(std::is_same_v<Result, std::invoke_result_t<F, TaskGroup&>>,
                "weft::task_group: the body returns a value, or nothing");
  TaskGroup group;
  std::exception_ptr error;
  if constexpr (std::is_void_v<Result>) {
    try {
      std::invoke(std::forward<F>(body), group);
    } catch (...) {
      error = std::current_exception();
    }
    group.close(std::move(error));
  } else {
    std::optional<Result> result;
    try {
      result.emplace(std::invoke(std::forward<F>(body), group));
    } catch (...) {
      error = std::current_exception();
    }
    group.close(std::move(error));
    return *std::move(result);
  }
}

template <class F>
void task_group(F&&) {
  static_assert(detail::kRight<F>,
                "weft::task_group: the body is called with the group, as in "
                "[&](weft::TaskGroup& group) { group.spawn(f); }");
}

}  // namespace weft
