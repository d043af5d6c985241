// Limits of time around what waits for tasks: Task::get(), gather, groups, shields, events. Each
// scenario does what its namesake in wait_for.py does.

#include "parity/cast.h"

namespace parity {

using cast::passed;
using cast::timeout;
using TimePoint = weft::TimeoutScope::TimePoint;

// asyncio.wait_for.
template <class T>
static T wait_for(double count, weft::Task<T>& task) {
  return timeout(count, [&] { return task.get(); });
}

static auto child(const char* name, double cleanup) {
  return [=] {
    try {
      ticks(99);
    } catch (const weft::Cancelled& error) {
      ticks(cleanup);
      trace(name, "cleaned up after", error);
      throw;
    }
  };
}

static void failing() {
  try {
    ticks(99);
  } catch (const weft::Cancelled&) {
    throw Failure("cleanup");
  }
}

SCENARIO(wait_for_a_task_that_ends_in_time) {
  auto task = weft::spawn([] {
    ticks(1);
    return "done";
  });
  attempt("wait", [&] { return wait_for(2, task); });
  attempt("later", [] { ticks(5); });
  trace("cancelled", task.cancelled());
}

SCENARIO(wait_for_cancels_the_task_and_waits_for_it) {
  auto task = weft::spawn(child("a", 4));
  const auto start = now();
  attempt("wait", [&] { wait_for(2, task); });
  trace("ticks", passed(start), "cancelled", task.cancelled());
}

SCENARIO(wait_for_a_task_that_swallows_its_cancel) {
  auto task = weft::spawn([] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      trace("swallowed");
    }
    ticks(1);
    return "all the same";
  });
  attempt("wait", [&] { return wait_for(2, task); });
  trace("cancelled", task.cancelled());
  attempt("later", [] { ticks(1); });
}

SCENARIO(wait_for_a_task_that_fails_when_it_is_cancelled) {
  auto task = weft::spawn(failing);
  attempt("wait", [&] { wait_for(2, task); });
  trace("cancelled", task.cancelled());
}

SCENARIO(wait_for_a_task_that_has_ended) {
  auto task = weft::spawn([] { return "done"; });
  task.get();
  attempt("no time", [&] { return wait_for(0, task); });
  attempt("less than none", [&] { return wait_for(-1, task); });
}

SCENARIO(wait_for_no_time_cancels_a_task_that_runs) {
  auto task = weft::spawn(child("a", 3));
  ticks(1);
  const auto start = now();
  attempt("wait", [&] { wait_for(0, task); });
  trace("ticks", passed(start), "cancelled", task.cancelled());
}

SCENARIO(wait_for_no_time_cancels_a_task_that_has_not_started) {
  auto task = weft::spawn([] { trace("work starts"); });
  attempt("wait", [&] { wait_for(0, task); });
  trace("cancelled", task.cancelled());
}

SCENARIO(wait_for_a_task_that_somebody_else_cancels) {
  auto task = weft::spawn(child("a", 1));
  auto canceller = weft::spawn([&] {
    ticks(1);
    trace("cancel", task.cancel());
  });
  attempt("wait", [&] { wait_for(5, task); });
  canceller.get();
}

SCENARIO(wait_for_is_cancelled_and_cancels_the_task) {
  auto task = weft::spawn(child("a", 2));
  auto waiter = weft::spawn([&] { wait_for(9, task); });
  ticks(1);
  trace("cancel", waiter.cancel());
  attempt("waiter", [&] { waiter.get(); });
  trace("cancelled", waiter.cancelled(), task.cancelled());
}

SCENARIO(wait_for_a_shielded_task_leaves_it_running) {
  auto task = weft::spawn([] {
    ticks(5);
    return "done";
  });
  attempt("wait", [&] { return timeout(2, [&] { return weft::shield(task); }); });
  trace("done", task.done());
  attempt("task", [&] { return task.get(); });
}

SCENARIO(two_wait_for_the_same_task) {
  auto task = weft::spawn(child("a", 2));
  const auto start = now();
  auto second = weft::spawn([&] { wait_for(50, task); });
  attempt("first", [&] { wait_for(3, task); });
  trace("ticks", passed(start));
  attempt("second", [&] { second.get(); });
  trace("ticks", passed(start));
}

SCENARIO(limit_around_gather) {
  const auto quick = [] {
    ticks(1);
    trace("quick ends");
  };
  const auto body = [&] { weft::gather(child("a", 3), quick); };
  const auto start = now();
  attempt("timeout", [&] { timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(limit_around_gather_whose_child_fails_when_it_is_cancelled) {
  bool returned = false;
  const auto body = [&] {
    weft::gather(weft::return_exceptions, child("a", 3), failing);
    returned = true;
  };
  attempt("timeout", [&] { timeout(2, body); });
  trace("returned", returned);
}

SCENARIO(limit_within_a_child_of_gather) {
  const auto limited = [] { timeout(2, child("a", 1)); };
  const auto other = [] {
    ticks(5);
    return "b";
  };
  trace(weft::gather(weft::return_exceptions, limited, other));
}

SCENARIO(limit_around_a_task_group) {
  const auto body = [] {
    weft::task_group([](weft::TaskGroup& group) {
      group.spawn(child("a", 3));
      group.spawn(child("b", 1));
    });
  };
  const auto start = now();
  attempt("timeout", [&] { timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(limit_around_a_task_group_with_a_failure) {
  const auto body = [] {
    weft::task_group([](weft::TaskGroup& group) {
      group.spawn(child("a", 3));
      group.spawn(failing);
    });
  };
  attempt("timeout", [&] { timeout(2, body); });
  trace("cancelling", weft::this_task::cancelling());
  attempt("later", [] { ticks(1); });
}

SCENARIO(limit_within_a_task_group) {
  const auto limited = [] { timeout(2, child("a", 1)); };
  const auto body = [&] {
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn(limited);
      group.spawn(child("b", 1));
    });
  };
  attempt("group", body);
}

SCENARIO(limit_around_an_event_that_is_waited_for_again) {
  weft::Event event;
  auto task = weft::spawn([&] {
    ticks(5);
    event.set();
  });
  const auto body = [&] {
    event.wait();
    return "set";
  };
  attempt("first", [&] { return timeout(2, body); });
  attempt("second", [&] { return timeout(9, body); });
  task.get();
}

}  // namespace parity
