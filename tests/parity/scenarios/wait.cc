// Waiting for some or all of several tasks. Each scenario does what its namesake in wait.py does.

#include "parity/cast.h"

#include <algorithm>

namespace parity {

using cast::at_last;
using cast::failing;
using cast::passed;
using cast::sleeper;
using cast::start;
using cast::Tasks;

namespace {

using weft::first_completed;
using weft::first_exception;

std::vector<std::string> names(const Tasks& tasks) {
  std::vector<std::string> all;
  for (const auto& task : tasks) all.push_back(task.name());
  std::sort(all.begin(), all.end());
  return all;
}

/// Waits, so many ticks at most, and says how it stands then.
template <class... A>
void trace_wait(const Tasks& tasks, A... when_and_limit) {
  const auto begin = now();
  const auto [done, pending] = weft::wait(tasks, when_and_limit...);
  trace("done", names(done), "pending", names(pending), "ticks", passed(begin));
}

}  // namespace

SCENARIO(for_all) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(sleeper, "c", 2);
  trace_wait({a, b, c});
  at_last(a, b, c);
}

SCENARIO(for_the_first_to_end) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(sleeper, "c", 2);
  trace_wait({a, b, c}, first_completed);
  at_last(a, b, c);
}

SCENARIO(for_the_first_to_end_if_it_fails) {
  auto a = start(sleeper, "a", 3), b = start(failing, "b", 1);
  trace_wait({a, b}, first_completed);
  at_last(a, b);
}

SCENARIO(two_that_end_together_are_both_done) {
  weft::Event gate;
  const auto opens = [&] {
    ticks(1);
    gate.set();
  };
  const auto passes = [&](const std::string& name, double count) {
    return [=, &gate] {
      gate.wait();
      ticks(count);
      return name;
    };
  };
  auto a = start(passes, "a", 0), b = start(passes, "b", 0), c = start(passes, "c", 2);
  auto opener = weft::spawn(opens);
  trace_wait({a, b, c}, first_completed);
  at_last(opener, c);
}

SCENARIO(for_the_first_exception) {
  auto a = start(failing, "a", 2), b = start(sleeper, "b", 1), c = start(sleeper, "c", 4);
  trace_wait({a, b, c}, first_exception);
  at_last(a, b, c);
}

SCENARIO(for_an_exception_that_never_comes) {
  auto a = start(sleeper, "a", 1), b = start(sleeper, "b", 2);
  trace_wait({a, b}, first_exception);
}

SCENARIO(cancelled_task_is_no_exception) {
  auto a = start(sleeper, "a", 9), b = start(sleeper, "b", 3);
  const auto stop = [&] {
    ticks(1);
    trace("cancel", a.cancel());
  };
  auto stopper = weft::spawn(stop);
  trace_wait({a, b}, first_exception);
  trace("cancelled", a.cancelled(), b.cancelled());
  at_last(stopper);
}

SCENARIO(cancelled_task_has_ended) {
  auto a = start(sleeper, "a", 9), b = start(sleeper, "b", 3);
  const auto stop = [&] {
    ticks(1);
    trace("cancel", a.cancel());
  };
  auto stopper = weft::spawn(stop);
  trace_wait({a, b}, first_completed);
  trace("cancelling", weft::this_task::cancelling());
  at_last(stopper, a, b);
}

// ---- So long at most.

SCENARIO(limit_before_any_has_ended) {
  auto a = start(sleeper, "a", 3), b = start(failing, "b", 4);
  trace_wait({a, b}, span(2));
  at_last(a, b);
}

SCENARIO(limit_when_some_have_ended) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(failing, "c", 5);
  trace_wait({a, b, c}, span(2));
  trace_wait({a, b, c}, first_exception, span(2));
  at_last(a, b, c);
}

SCENARIO(limit_before_the_first) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 5);
  trace_wait({a, b}, first_completed, span(2));
  trace_wait({a, b}, first_completed, span(2));
  at_last(a, b);
}

SCENARIO(limit_that_is_not_reached) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1);
  trace_wait({a, b}, span(9));
  attempt("later", [] { ticks(9); });
}

SCENARIO(limit_of_nothing_lets_others_run_once) {
  const auto quick = [](const std::string& name, double) {
    return [=] {
      trace(name, "runs");
      return name;
    };
  };
  auto a = start(quick, "a", 0), b = start(sleeper, "b", 3);
  trace_wait({a, b}, span(0));
  trace_wait({a, b}, span(-1));
  at_last(a, b);
}

// ---- Which tasks.

SCENARIO(nothing_to_wait_for_is_misuse) {
  attempt("all", [] { trace_wait({}); });
  attempt("first", [] { trace_wait({}, first_completed, span(1)); });
}

SCENARIO(task_given_twice_counts_once) {
  auto a = start(sleeper, "a", 2), b = start(sleeper, "b", 1);
  trace_wait({a, b, a}, first_completed);
  trace_wait({a, a, b, b});
}

SCENARIO(tasks_that_have_ended) {
  auto a = start(sleeper, "a", 1), b = start(failing, "b", 2), c = start(sleeper, "c", 5);
  ticks(3);
  trace_wait({a, b});
  trace_wait({a, c}, first_completed);
  trace_wait({b, c}, first_exception);
  trace_wait({a, c}, first_exception);
  at_last(a, b, c);
}

SCENARIO(two_wait_for_the_same_tasks) {
  auto a = start(sleeper, "a", 1), b = start(sleeper, "b", 2);
  auto first = weft::spawn([&] { trace_wait({a, b}, first_completed); });
  auto both = weft::spawn([&] { trace_wait({a, b}); });
  first.get();
  both.get();
}

SCENARIO(again_and_again_until_none_is_pending) {
  Tasks pending{start(sleeper, "a", 3), start(failing, "b", 1), start(sleeper, "c", 2)};
  while (!pending.empty()) {
    auto result = weft::wait(pending, first_completed);
    pending = std::move(result.pending);
    for (const auto& task : result.done)
      trace(task.name(), "failed with", task.exception(), "left", names(pending));
  }
}

// ---- What they throw, and the caller's end.

SCENARIO(exceptions_stay_with_their_tasks) {
  auto a = start(failing, "a", 1), b = start(failing, "b", 2);
  trace_wait({a, b});
  trace("a", a.exception());
  trace("dropped");
  a = b = {};
  trace("left");
}

SCENARIO(first_exception_stays_with_its_task) {
  auto a = start(failing, "a", 1), b = start(sleeper, "b", 2);
  trace_wait({a, b}, first_exception);
  trace("dropped");
  a = {};
  at_last(b);
}

SCENARIO(cancelled_caller_leaves_the_tasks_alone) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1);
  auto caller = weft::spawn([&] { trace_wait({a, b}); });
  ticks(2);
  trace("cancel", caller.cancel());
  attempt("caller", [&] { caller.get(); });
  at_last(a, b);
}

SCENARIO(limit_around_a_wait_leaves_the_tasks_alone) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1);
  const auto limited = [&] { weft::timeout(span(2), [&] { trace_wait({a, b}); }); };
  attempt("limited", limited);
  at_last(a, b);
}

SCENARIO(caller_cancels_those_that_are_pending) {
  auto a = start(sleeper, "a", 8), b = start(sleeper, "b", 1), c = start(sleeper, "c", 9);
  trace_wait({a, b, c}, first_completed);
  for (const auto& task : {a, b, c}) trace(task.name(), "cancel", task.cancel());
  trace_wait({a, b, c});
  trace("cancelled", std::vector{a.cancelled(), b.cancelled(), c.cancelled()});
}

}  // namespace parity
