#pragma once

#include <weft/detail/task_core.h>
#include <weft/detail/wrong_use.h>
#include <weft/done_callback.h>
#include <weft/error.h>

#include <string>
#include <vector>

namespace weft {

/// A handle to a running or ended task. Copies name the same task. Dropping the last handle
/// detaches the task: it goes on, and its result is lost; an exception that nobody has read by then
/// is reported (Options::on_lost_exception). May outlive the runtime, and may be used by any
/// thread.
template <class T>
class Task {
 public:
  /// Names no task, as does a handle that has been moved from. It may be asked valid(), copied,
  /// moved, compared, assigned to and destroyed. add_done_callback(), shield(), gather(), wait()
  /// and as_completed() throw std::invalid_argument for it; any other call on it is undefined.
  Task() = default;

  bool valid() const noexcept { return static_cast<bool>(ref_); }

  /// Waits for the end and returns the result, or throws what the task threw (Cancelled, if it was
  /// cancelled). Like `await task`: if the caller is cancelled while it waits, the task is
  /// cancelled in its stead, and its end decides what is thrown here. Suspends the fiber, blocks
  /// the thread; returns at once if the task has ended. The reference is into the task: good as
  /// long as a handle to it is held.
  std::add_lvalue_reference_t<T> get() & {
    ref_.await();
    if constexpr (!std::is_void_v<T>) return result();
  }
  /// The same from a temporary, which gives the result away.
  T get() && {
    ref_.await();
    if constexpr (!std::is_void_v<T>) return std::move(result());
  }

  /// Waits for the end, however it ends. Cancellable: throws Cancelled, and the task goes on.
  void join() const { ref_.join(); }

  bool done() const noexcept { return ref_.outcome() != detail::TaskOutcome::kPending; }
  /// True once the task has ended by Cancelled.
  bool cancelled() const noexcept { return ref_.outcome() == detail::TaskOutcome::kCancelled; }
  /// What the ended task threw; null if it returned a value, or has not ended. Counts as reading
  /// it.
  std::exception_ptr exception() const noexcept { return ref_.error(); }

  /// Asks the task to stop: Cancelled is thrown at its suspension point, or at the next one. If it
  /// has not started, it never runs. False if it has ended already. Never suspends.
  bool cancel() const noexcept { return ref_.cancel(); }
  /// Takes one request back; at none, a delivery still pending is dropped. Returns how many are
  /// left.
  unsigned uncancel() const noexcept { return ref_.uncancel(); }
  /// Requests made and not taken back. Counts up to 65,535; those beyond are delivered, but not
  /// counted.
  unsigned cancelling() const noexcept { return ref_.cancelling(); }

  /// Has `callback(const Task<T>&)` called when the task has ended, or soon if it has. Never from
  /// within this call: it is a task of its own, spawned here as far as context variables and its
  /// site are concerned. Callbacks of one task start in the order in which they were added; what
  /// one throws is reported like a lost exception. Cancelling does not reach a callback, and the
  /// runtime waits for it, so it should be short. Only in a fiber (std::logic_error); throws
  /// std::invalid_argument if this names no task, std::bad_alloc. Never suspends.
  template <class F>
  DoneCallback add_done_callback(F&& callback, SpawnSite site = SpawnSite::current()) const {
    constexpr bool kCallable = std::is_invocable_v<std::decay_t<F>, const Task&>;
    static_assert(kCallable,
                  "weft::Task::add_done_callback: the callback is called with the task that has "
                  "ended, as in [](const weft::Task<T>& task) {}");
    detail::check_task(ref_);
    auto place = std::make_shared<detail::CallbackPlace>(ref_);
    detail::make_task(
        site,
        [place, task = *this, callback = std::decay_t<F>(std::forward<F>(callback))]() mutable {
          if constexpr (kCallable) {
            if (!place->withdrawn()) std::invoke(std::move(callback), std::as_const(task));
          }
        },
        [&](detail::NewTask& task, detail::Body& body, std::uint8_t upkeep) noexcept {
          place->await_end(task, body, upkeep);
        });
    return DoneCallback(std::move(place));
  }

  /// Unique in the process, never reused.
  std::uint64_t id() const noexcept { return ref_.id(); }
  std::string name() const { return display_name(ref_); }

  bool operator==(const Task&) const noexcept = default;

  /// For the library itself.
  explicit Task(detail::TaskRef ref) noexcept : ref_(std::move(ref)) {}
  const detail::TaskRef& ref() const noexcept { return ref_; }

 private:
  static std::string display_name(const detail::TaskRef& ref) {
    return ref.name().empty() ? "task-" + std::to_string(ref.id()) : std::string(ref.name());
  }
  detail::Stored<T>& result() const noexcept {
    return static_cast<detail::ResultBody<T>&>(ref_.body()).value();
  }

  detail::TaskRef ref_;
};

/// Starts `callable()` as a task of the calling fiber's runtime, and returns without waiting for
/// it. The callable is moved or copied into the task; what it refers to must outlive the task. What
/// happened before is seen by the task. Tasks that the caller spawns before it next suspends start
/// in that order on its worker, ahead of those that were spawned before and have not started (see
/// Options::fifo).
/// Throws std::logic_error outside a fiber, std::bad_alloc;
/// then nothing was started. Never suspends.
template <class F>
requires std::is_invocable_v<std::decay_t<F>> Task<detail::ResultOf<F>> spawn(
    F&& callable, SpawnSite site = SpawnSite::current()) {
  return Task<detail::ResultOf<F>>(
      detail::make_task(site, std::forward<F>(callable), detail::JustStart()));
}

/// The same with options. Throws std::invalid_argument for a stack size out of range.
template <class F>
requires std::is_invocable_v<std::decay_t<F>> Task<detail::ResultOf<F>> spawn(
    const SpawnOptions& options, F&& callable, SpawnSite site = SpawnSite::current()) {
  return Task<detail::ResultOf<F>>(
      detail::spawn_on(nullptr, options, site, std::forward<F>(callable)));
}

template <class F>
Task<void> spawn(F&&, SpawnSite = {}) {
  static_assert(detail::kRight<F>, "weft::spawn: a task's callable " WEFT_TAKES_NO_ARGUMENTS);
  return {};
}
template <class F>
Task<void> spawn(const SpawnOptions&, F&&, SpawnSite = {}) {
  static_assert(detail::kRight<F>, "weft::spawn: a task's callable " WEFT_TAKES_NO_ARGUMENTS);
  return {};
}

/// Lets other fibers run; asyncio's `sleep(0)`. In a plain thread: sched_yield. Suspends;
/// cancellable.
void yield();

/// About the task that calls. In a plain thread ids are 0, names empty, and nothing is ever
/// requested.
namespace this_task {
std::uint64_t id() noexcept;
std::string name();
/// True when a cancellation has been asked for and not been thrown yet.
bool cancel_requested() noexcept;
/// See Task. A task that asks itself to stop hears of it at its next suspension point.
bool cancel() noexcept;
unsigned cancelling() noexcept;
unsigned uncancel() noexcept;
}  // namespace this_task

}  // namespace weft
