#pragma once

#include <weft/detail/task_range.h>
#include <weft/task.h>

#include <type_traits>
#include <utility>

namespace weft {

/// Waits for the task like Task::get(), but keeps the caller's cancellation from it
/// (asyncio.shield): if the caller is cancelled, Cancelled is thrown here, and the task goes on. If
/// the task itself was cancelled, Cancelled is thrown, too. Returns a copy of the result where it
/// can be copied, since others may hold the task; else the result itself. Throws
/// std::invalid_argument for a Task that names none. Suspends; cancellable.
template <class T>
T shield(const Task<T>& task) {
  detail::check_task(task.ref());
  task.join();
  if constexpr (std::is_void_v<T> || !std::is_copy_constructible_v<T>) {
    return Task<T>(task).get();
  } else {
    Task<T> ended = task;
    return ended.get();
  }
}

/// The same from a temporary handle, which gives the result away.
template <class T>
T shield(Task<T>&& task) {
  detail::check_task(task.ref());
  task.join();
  return std::move(task).get();
}

/// The same for a task of its own, which runs `callable`: what it refers to must outlive that task,
/// not only this call.
template <class F>
requires std::is_invocable_v<std::decay_t<F>> detail::ResultOf<F> shield(
    F&& callable, SpawnSite site = SpawnSite::current()) {
  return shield(spawn(std::forward<F>(callable), site));
}

template <class F>
requires(!detail::TaskArgument<F> &&
         !std::is_invocable_v<std::decay_t<F>>) void shield(F&&, SpawnSite = {}) {
  static_assert(
      detail::kRight<F>,
      "weft::shield: it takes a weft::Task, or a callable, which " WEFT_TAKES_NO_ARGUMENTS);
}

}  // namespace weft
