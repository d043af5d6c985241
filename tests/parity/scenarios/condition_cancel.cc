// Cancelled while it waits for a change, has just been told of one, or locks again. Each scenario
// does what its namesake in condition_cancel.py does.

#include "parity/condition_cast.h"

namespace parity {

using cast::cancel;
using cast::Condition;
using cast::each_ends;
using cast::Held;
using cast::notify;
using cast::passed;
using cast::start;
using cast::timeout;
using cast::waits;

namespace {

/// And says how the next wait of all ends, without the lock.
auto waits_and_sleeps(Condition& condition, const std::string& name) {
  return [&condition, name] {
    attempt(name, [&] { waits(condition, name); });
    attempt(name + " sleeps", [] { ticks(1); });
  };
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
  each_ends(task);
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
  each_ends(task);
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
  each_ends(task);
  trace("cancelling", task.cancelling());
}

SCENARIO(cancelled_first_leaves_the_notification_to_the_next) {
  Condition condition;
  auto first = start(condition, "first"), second = start(condition, "second");
  ticks(1);
  cancel(first);
  notify(condition, 1);
  each_ends(first, second);
}

SCENARIO(cancelled_when_just_notified_passes_it_on) {
  Condition condition;
  auto first = start(condition, "first"), second = start(condition, "second");
  ticks(1);
  notify(condition, 1);
  cancel(first);
  turns(4);
  if (!second.done()) cancel(second);
  each_ends(first, second);
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
  each_ends(first, second);
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
  each_ends(tasks);
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
  each_ends(task);
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
  each_ends(task);
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
  each_ends(task);
}

}  // namespace parity
