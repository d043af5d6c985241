// Task groups in a task that is cancelled. Each scenario does what its namesake in
// task_group_cancel.py does.

#include "parity/cast.h"

namespace parity {

using cast::cancel_after;
using cast::child;
using cast::failing;
using cast::failing_cleanup;
using cast::passed;
using cast::slow_to_stop;
using cast::Tasks;
using weft::TaskGroup;
using weft::this_task::cancelling;

template <class F>
static void attempt_group(F&& body) {
  attempt("group", [&] { return weft::task_group(body); });
  trace("cancelling", cancelling());
}

/// Cancels a task that is in a group.
template <class F>
static void cancelled_after(double count, F&& body) {
  auto task = weft::spawn([&] { attempt_group(body); });
  cancel_after(count, task);
  task.join();
}

// ---- The group ends by it.

SCENARIO(cancelled_while_the_body_waits) {
  Tasks tasks;
  const auto body = [&](TaskGroup& group) {
    tasks.push_back(group.spawn(child("a", 9)));
    child("body", 99)();
  };
  auto task = weft::spawn([&] { weft::task_group(body); });
  cancel_after(1, task);
  attempt("task", [&] { task.get(); });
  trace("cancelled", task.cancelled(), tasks[0].cancelled());
}

SCENARIO(cancelled_while_the_group_closes) {
  cancelled_after(1, [](TaskGroup& group) {
    group.spawn(child("a", 9));
    return "result";
  });
}

SCENARIO(cancelled_again_while_a_child_takes_its_time) {
  const auto body = [](TaskGroup& group) {
    group.spawn(slow_to_stop("cleanup", 3));
    child("body", 99)();
  };
  const auto start = now();
  auto task = weft::spawn([&] { attempt_group(body); });
  cancel_after(1, task);
  cancel_after(1, task);
  task.join();
  trace("ticks", passed(start));
}

SCENARIO(last_child_cancels_the_owner_and_ends) {
  weft::Task<void> owner;
  const auto body = [&](TaskGroup& group) { group.spawn([&] { cancel_after(1, owner); }); };
  owner = weft::spawn([&] { attempt_group(body); });
  owner.join();
}

SCENARIO(group_in_the_cleanup_of_a_cancelled_task) {
  const auto body = [](TaskGroup& group) {
    group.spawn(child("a", 2));
    return group.spawn(child("b", 1)).get();
  };
  auto task = weft::spawn([&] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      attempt_group(body);
      throw;
    }
  });
  cancel_after(1, task);
  attempt("task", [&] { task.get(); });
}

SCENARIO(empty_group_in_a_task_that_has_cancelled_itself) {
  const auto body = [](TaskGroup&) { return "result"; };
  auto task = weft::spawn([&] {
    weft::this_task::cancel();
    attempt_group(body);
    attempt("later", [] { ticks(1); });
  });
  task.get();
}

// ---- The body has its own mind.

SCENARIO(body_swallows_the_cancel) {
  cancelled_after(1, [](TaskGroup& group) {
    group.spawn(child("a", 3));
    attempt("body", [] { ticks(99); });
    return "result";
  });
}

SCENARIO(body_swallows_the_cancel_and_the_next_one_comes_while_closing) {
  const auto body = [](TaskGroup& group) {
    group.spawn(child("a", 9));
    attempt("body", [] { ticks(99); });
    return "result";
  };
  auto task = weft::spawn([&] { attempt_group(body); });
  cancel_after(1, task);
  cancel_after(1, task);
  task.join();
}

SCENARIO(body_takes_the_cancel_back) {
  cancelled_after(1, [](TaskGroup& group) {
    group.spawn(child("a", 3));
    attempt("body", [] { ticks(99); });
    trace("uncancel", weft::this_task::uncancel());
    child("body", 1)();
  });
}

SCENARIO(body_throws_something_else_when_cancelled) {
  cancelled_after(1, [](TaskGroup& group) {
    group.spawn(child("a", 9));
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      throw OtherFailure("body");
    }
  });
}

// ---- There are errors, too.

SCENARIO(cancelled_and_a_child_fails_at_that) {
  cancelled_after(1, [](TaskGroup& group) {
    group.spawn(failing_cleanup("a", 2));
    child("body", 99)();
  });
}

SCENARIO(cancelled_when_a_child_has_failed) {
  cancelled_after(2, [](TaskGroup& group) {
    group.spawn(slow_to_stop("cleanup", 3));
    group.spawn(failing("b", 1));
    child("body", 99)();
  });
}

SCENARIO(child_fails_while_the_cancelled_body_cleans_up) {
  const auto start = now();
  cancelled_after(1, [](TaskGroup& group) {
    group.spawn(failing("a", 2));
    slow_to_stop("cleanup", 5)();
  });
  trace("ticks", passed(start));
}

SCENARIO(last_child_cancels_the_owner_and_fails) {
  weft::Task<void> owner;
  const auto last = [&] {
    cancel_after(1, owner);
    throw Failure("a");
  };
  const auto body = [&](TaskGroup& group) { group.spawn(last); };
  owner = weft::spawn([&] { attempt_group(body); });
  owner.join();
}

SCENARIO(cancel_that_errors_hide_is_heard_later) {
  const auto body = [](TaskGroup& group) { group.spawn(failing_cleanup("a", 2)); };
  auto task = weft::spawn([&] {
    attempt_group(body);
    attempt("later", [] { ticks(1); });
    attempt("afterwards", [] { ticks(1); });
  });
  cancel_after(1, task);
  task.get();
}

SCENARIO(group_fails_in_the_cleanup_of_a_cancelled_task) {
  const auto body = [](TaskGroup& group) {
    group.spawn(child("a", 9));
    failing("b", 1)();
  };
  auto task = weft::spawn([&] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      attempt_group(body);
      attempt("later", [] { ticks(1); });
      attempt("afterwards", [] { ticks(1); });
    }
  });
  cancel_after(1, task);
  task.get();
}

}  // namespace parity
