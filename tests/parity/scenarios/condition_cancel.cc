// Cancelled while it waits for a change, has just been told of one, or locks again. Each scenario
// does what its namesake in condition_cancel.py does.

#include "parity/harness.h"

#include <cmath>
#include <mutex>

namespace parity {

namespace {

using Lock = weft::FairMutex;
using Held = std::unique_lock<Lock>;
using Task = weft::Task<void>;

/// asyncio's Condition has its lock with it.
struct Condition {
  void notify(int count) {
    for (int i = 0; i < count; ++i) changed.notify_one();
  }
  Lock lock;
  weft::ConditionVariable changed;
};

/// Waits once, and says how that ended and whether it has the lock then.
void waits(Condition& condition, const std::string& name) {
  Held held(condition.lock);
  try {
    condition.changed.wait(held);
  } catch (const weft::Cancelled& error) {
    trace(name, "caught", error, "locked", held.owns_lock());
    throw;
  }
  trace(name, "notified", "locked", held.owns_lock());
}

Task start(Condition& condition, const std::string& name) {
  return weft::spawn({.name = name}, [&condition, name] { waits(condition, name); });
}

/// And says how the next wait of all ends, without the lock.
auto waits_and_sleeps(Condition& condition, const std::string& name) {
  return [&condition, name] {
    attempt(name, [&] { waits(condition, name); });
    attempt(name + " sleeps", [] { ticks(1); });
  };
}

void notify(Condition& condition, int count) {
  const Held held(condition.lock);
  trace("notify", count);
  condition.notify(count);
}

// With a limit in ticks.
template <class F>
decltype(auto) timeout(double count, F&& body) {
  return weft::timeout(span(count), std::forward<F>(body));
}

template <class... T>
void at_last(T&... tasks) {
  (attempt(tasks.name(), [&] { tasks.get(); }), ...);
}
void at_last(std::vector<Task>& tasks) {
  for (Task& task : tasks) at_last(task);
}

void cancel(Task& task) { trace("cancel", std::string(task.name()), task.cancel()); }

long passed(std::chrono::steady_clock::time_point since) {
  return std::lround(std::chrono::duration<double>(now() - since) / kTick);
}

}  // namespace

SCENARIO(told_when_it_has_locked_again) {
  Condition condition;
  auto task = start(condition, "task");
  ticks(1);
  {
    const Held held(condition.lock);
    condition.notify(1);
    ticks(1);
    cancel(task);
    ticks(1);
    trace("done", task.done());
  }
  at_last(task);
  trace("cancelling", task.cancelling());
}

SCENARIO(requests_while_it_locks_again_are_told_once) {
  Condition condition;
  auto task = weft::spawn({.name = "task"}, waits_and_sleeps(condition, "task"));
  ticks(1);
  {
    const Held held(condition.lock);
    condition.notify(1);
    for (int i = 0; i < 3; ++i) {
      ticks(1);
      cancel(task);
    }
  }
  at_last(task);
  trace("cancelling", task.cancelling());
}

SCENARIO(request_that_follows_a_first_while_it_locks_again_is_not_told_anew) {
  Condition condition;
  auto task = weft::spawn({.name = "task"}, waits_and_sleeps(condition, "task"));
  ticks(1);
  {
    const Held held(condition.lock);
    for (int i = 0; i < 2; ++i) {
      cancel(task);
      ticks(1);
    }
  }
  at_last(task);
  trace("cancelling", task.cancelling());
}

SCENARIO(cancelled_first_leaves_the_notification_to_the_next) {
  Condition condition;
  auto first = start(condition, "first"), second = start(condition, "second");
  ticks(1);
  cancel(first);
  notify(condition, 1);
  at_last(first, second);
}

SCENARIO(cancelled_when_just_notified_passes_it_on) {
  Condition condition;
  auto first = start(condition, "first"), second = start(condition, "second");
  ticks(1);
  notify(condition, 1);
  cancel(first);
  turns(4);
  if (!second.done()) cancel(second);
  at_last(first, second);
}

SCENARIO(cancelled_while_it_locks_again_passes_it_on) {
  Condition condition;
  auto first = start(condition, "first"), second = start(condition, "second");
  ticks(1);
  {
    const Held held(condition.lock);
    condition.notify(1);
    ticks(1);
    cancel(first);
  }
  turns(4);
  if (!second.done()) cancel(second);
  at_last(first, second);
}

SCENARIO(cancelled_when_all_are_notified_leaves_the_others_theirs) {
  Condition condition;
  std::vector tasks{start(condition, "a"), start(condition, "b"), start(condition, "c")};
  ticks(1);
  {
    const Held held(condition.lock);
    condition.changed.notify_all();
  }
  cancel(tasks[0]);
  turns(4);
  at_last(tasks);
}

SCENARIO(request_of_before_is_told_by_the_wait) {
  Condition condition;
  const auto cancels_itself = [&] {
    Held held(condition.lock);
    trace("cancel", weft::this_task::cancel());
    try {
      condition.changed.wait(held);
    } catch (...) {
      trace("locked", held.owns_lock());
      throw;
    }
  };
  auto task = weft::spawn({.name = "task"}, cancels_itself);
  at_last(task);
}

SCENARIO(limit_passes_while_it_waits_and_another_has_the_lock) {
  Condition condition;
  const auto begin = now();
  const auto impatient = [&] {
    attempt("impatient", [&] { timeout(2, [&] { waits(condition, "impatient"); }); });
    trace("ticks", passed(begin));
  };
  auto task = weft::spawn({.name = "task"}, impatient);
  ticks(1);
  {
    const Held held(condition.lock);
    ticks(3);
  }
  at_last(task);
}

SCENARIO(limit_passes_while_it_locks_again) {
  Condition condition;
  const auto begin = now();
  const auto impatient = [&] {
    attempt("impatient", [&] { timeout(2, [&] { waits(condition, "impatient"); }); });
    trace("ticks", passed(begin), "cancelling", weft::this_task::cancelling());
    attempt("sleep", [] { ticks(1); });
  };
  auto task = weft::spawn({.name = "task"}, impatient);
  ticks(1);
  {
    const Held held(condition.lock);
    condition.notify(1);
    ticks(3);
  }
  at_last(task);
}

}  // namespace parity
