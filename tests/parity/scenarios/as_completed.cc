// Tasks in the order in which they end. Each scenario does what its namesake in as_completed.py
// does.

#include "parity/cast.h"

namespace parity {

using cast::at_last;
using cast::failing;
using cast::passed;
using cast::sleeper;
using cast::start;
using cast::Tasks;

namespace {

/// Traces each as it ends.
template <class... A>
void each(const Tasks& tasks, A... limit) {
  const auto begin = now();
  for (auto& task : weft::as_completed(tasks, limit...))
    trace("next", task.get(), "ticks", passed(begin));
}

/// The same, with so much to do after each.
template <class... A>
void each_slowly(const Tasks& tasks, double count, A... limit) {
  const auto begin = now();
  for (auto& task : weft::as_completed(tasks, limit...)) {
    trace("next", task.get(), "ticks", passed(begin));
    ticks(count);
  }
}

void each_that_may_fail(const Tasks& tasks) {
  for (auto& task : weft::as_completed(tasks)) attempt("next", [&] { return task.get(); });
}

}  // namespace

SCENARIO(as_they_end) {
  each({start(sleeper, "a", 3), start(sleeper, "b", 1), start(sleeper, "c", 2)});
}

SCENARIO(none_at_all) {
  attempt("each", [] { each({}); });
  attempt("with a limit", [] { each({}, span(1)); });
}

SCENARIO(exception_comes_in_its_turn) {
  each_that_may_fail({start(sleeper, "a", 3), start(failing, "b", 1), start(failing, "c", 2)});
}

SCENARIO(exception_that_leaves_the_loop_leaves_the_rest_alone) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(failing, "c", 2);
  attempt("each", [&] { each({a, b, c}); });
  at_last(a, b, c);
}

SCENARIO(cancelled_task_comes_in_its_turn) {
  auto a = start(sleeper, "a", 9), b = start(sleeper, "b", 2);
  const auto stop = [&] {
    ticks(1);
    trace("cancel", a.cancel());
  };
  auto stopper = weft::spawn(stop);
  each_that_may_fail({a, b});
  trace("cancelling", weft::this_task::cancelling());
  stopper.get();
}

SCENARIO(break_leaves_the_rest_alone) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(sleeper, "c", 2);
  for (auto& task : weft::as_completed(Tasks{a, b, c})) {
    trace("first", task.get());
    break;
  }
  trace("done", std::vector{a.done(), b.done(), c.done()});
  at_last(a, b, c);
}

SCENARIO(slow_loop_gets_them_in_the_order_of_their_ends) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(sleeper, "c", 2);
  each_slowly({a, b, c}, 5);
}

SCENARIO(task_given_twice_comes_once) {
  auto a = start(sleeper, "a", 2), b = start(sleeper, "b", 1);
  each({a, b, a, b});
}

SCENARIO(task_that_has_ended_comes_first) {
  auto a = start(sleeper, "a", 4), b = start(sleeper, "b", 1), c = start(sleeper, "c", 3);
  ticks(2);
  each({a, b, c});
}

SCENARIO(two_loops_over_the_same_tasks) {
  auto a = start(sleeper, "a", 2), b = start(sleeper, "b", 1);
  auto first = weft::spawn([&] { each_slowly({a, b}, 3); });
  auto second = weft::spawn([&] { each({a, b}); });
  second.get();
  first.get();
}

SCENARIO(limit_after_some) {
  auto a = start(sleeper, "a", 4), b = start(sleeper, "b", 1), c = start(sleeper, "c", 2);
  attempt("each", [&] { each({a, b, c}, span(3)); });
  at_last(a);
}

SCENARIO(limit_that_is_not_reached) {
  each({start(sleeper, "a", 2), start(sleeper, "b", 1)}, span(3));
  attempt("later", [] { ticks(5); });
}

SCENARIO(limit_of_nothing_gives_those_that_have_ended) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1);
  ticks(2);
  attempt("each", [&] { each({a, b}, span(0)); });
  at_last(a);
}

SCENARIO(slow_loop_gets_those_that_ended_in_time) {
  auto a = start(sleeper, "a", 9), b = start(sleeper, "b", 1), c = start(sleeper, "c", 2);
  attempt("each", [&] { each_slowly({a, b, c}, 2, span(3)); });
  at_last(a);
}

SCENARIO(slow_loop_gets_none_that_ended_after_the_limit) {
  auto a = start(sleeper, "a", 4), b = start(sleeper, "b", 1);
  attempt("each", [&] { each_slowly({a, b}, 5, span(3)); });
  at_last(a);
}

SCENARIO(cancelled_caller_leaves_the_rest_alone) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1), c = start(failing, "c", 4);
  auto caller = weft::spawn([&] { each({a, b, c}); });
  ticks(2);
  trace("cancel", caller.cancel());
  attempt("caller", [&] { caller.get(); });
  at_last(a, b, c);
}

SCENARIO(limit_around_the_loop_leaves_the_rest_alone) {
  auto a = start(sleeper, "a", 3), b = start(sleeper, "b", 1);
  const auto limited = [&] { weft::timeout(span(2), [&] { each({a, b}); }); };
  attempt("limited", limited);
  at_last(a, b);
}

}  // namespace parity
