// What is called when a task has ended. Each scenario does what its namesake in callbacks.py does.

#include "parity/cast.h"

namespace parity {

using cast::failing;
using cast::sleeper;
using cast::start;

namespace {

using Task = weft::Task<std::string>;

std::string how_it_ended(Task task) {
  try {
    return text(task.get());
  } catch (...) {
    return text(std::current_exception());
  }
}

/// A callback that says how the task has ended.
auto tells(const char* name) {
  return [=](const Task& task) { trace(name, "of", task.name(), "sees", how_it_ended(task)); };
}

/// Returns what removes it again.
template <class F>
auto add(const Task& task, F callback) {
  return [added = task.add_done_callback(callback)]() mutable { return added.remove(); };
}

}  // namespace

// ---- When.

SCENARIO(called_once_when_the_task_has_ended) {
  auto task = start(sleeper, "task", 2);
  add(task, tells("callback"));
  ticks(1);
  trace("not yet", task.done());
  ticks(2);
  trace("done", task.done());
  attempt("task", [&] { return task.get(); });
}

SCENARIO(called_in_the_order_in_which_they_were_added) {
  auto task = start(sleeper, "task", 2);
  const auto again = tells("a");
  add(task, again);
  add(task, tells("b"));
  ticks(1);
  add(task, again);
  add(task, tells("c"));
  task.get();
  turns(2);
}

SCENARIO(added_after_the_end_is_called_soon) {
  auto task = start(sleeper, "task", 1);
  ticks(2);
  add(task, tells("a"));
  add(task, tells("b"));
  trace("added");
  turns(2);
  trace("left");
}

SCENARIO(callbacks_and_waiters_in_the_order_in_which_they_came) {
  auto task = start(sleeper, "task", 5);
  const auto waits = [&](const std::string& name, double count) {
    return [&task, name, count] {
      ticks(count);
      attempt(name, [&] { return task.get(); });
    };
  };
  std::vector waiters{start(waits, "first", 1), start(waits, "second", 3)};
  ticks(2);
  add(task, tells("a"));
  ticks(2);
  add(task, tells("b"));
  for (auto& waiter : waiters) waiter.get();
}

SCENARIO(task_left_at_the_end_of_the_run) {
  add(start(sleeper, "task", 9), tells("callback"));
  ticks(1);
  trace("main ends");
}

// ---- What they see.

SCENARIO(callbacks_see_how_it_ended) {
  const std::vector tasks{start(sleeper, "value", 1), start(failing, "failed", 2),
                          start(sleeper, "cancelled", 9)};
  for (const auto& task : tasks) add(task, tells("callback"));
  ticks(3);
  trace("cancel", tasks.back().cancel());
  turns(3);
  trace("left");
}

SCENARIO(callback_of_a_task_that_never_ran) {
  auto task = start(sleeper, "task", 1);
  add(task, tells("callback"));
  trace("cancel", task.cancel());
  attempt("task", [&] { return task.get(); });
  turns(2);
}

SCENARIO(only_a_failure_that_no_callback_reads_is_news) {
  auto read = start(failing, "read", 1), unread = start(failing, "unread", 2);
  add(read, tells("callback"));
  add(unread, [](const Task& task) { trace("callback of", task.name()); });
  ticks(3);
  read = {};
  trace("dropped");
  unread = {};
  trace("left");
}

// ---- What they may do.

SCENARIO(failure_in_a_callback_stops_no_other) {
  auto task = start(sleeper, "task", 1);
  const auto fails = [](const Task&) { throw Failure("callback"); };
  add(task, tells("a"));
  add(task, fails);
  add(task, tells("b"));
  attempt("task", [&] { return task.get(); });
  turns(3);
}

SCENARIO(callback_adds_another) {
  auto task = start(sleeper, "task", 1);
  const auto adds = [](const Task& ended) {
    trace("adds");
    add(ended, tells("late"));
    trace("added");
  };
  add(task, adds);
  add(task, tells("other"));
  task.get();
  turns(3);
}

SCENARIO(callback_starts_a_task) {
  auto task = start(sleeper, "task", 1);
  const auto starts = [](const Task&) {
    weft::spawn(sleeper("follower", 1));
    trace("started");
  };
  add(task, starts);
  ticks(3);
}

SCENARIO(first_to_end_cancels_the_other) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 2);
  add(a, [&](const Task&) { trace("cancel b", b.cancel()); });
  add(b, [&](const Task&) { trace("cancel a", a.cancel()); });
  for (auto* task : {&a, &b}) attempt("task", [&] { return task->get(); });
  turns(2);
}

SCENARIO(callback_sets_what_somebody_waits_for) {
  weft::Event ended;
  const std::vector running{start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)};
  std::vector<std::string> left;
  for (const auto& task : running) left.push_back(task.name());
  const auto counts = [&](const Task& task) {
    std::erase(left, task.name());
    trace("left", left);
    if (left.empty()) ended.set();
  };
  for (const auto& task : running) add(task, counts);
  ended.wait();
  trace("all have ended");
}

// ---- Taking one back.

SCENARIO(removed_callback_is_not_called) {
  auto task = start(sleeper, "task", 1);
  auto remove_a = add(task, tells("a"));
  auto remove_b = add(task, tells("b"));
  add(task, tells("c"));
  trace("remove b", remove_b());
  trace("again", remove_b());
  task.get();
  turns(2);
  trace("remove a", remove_a());
}

SCENARIO(callback_removes_the_next_too_late) {
  auto task = start(sleeper, "task", 1);
  std::function<bool()> remove_next;
  add(task, [&](const Task&) { trace("remove", remove_next()); });
  remove_next = add(task, tells("next"));
  task.get();
  turns(2);
}

}  // namespace parity
