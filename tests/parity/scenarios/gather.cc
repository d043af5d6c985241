// Waiting for many at once. Each scenario does what its namesake in gather.py does.

#include "parity/cast.h"

namespace parity {

using cast::child;
using cast::failing;
using cast::passed;

namespace {

template <class E>
auto throwing(E error, double count) {
  return [=]() -> std::string {
    ticks(count);
    throw error;
  };
}

unsigned cancelling() { return weft::this_task::cancelling(); }

}  // namespace

SCENARIO(results_in_the_order_of_the_arguments) {
  attempt("gather", [] { return weft::gather(child("a", 3), child("b", 1), child("c", 2)); });
}

SCENARIO(nothing_to_gather_is_nothing_at_once) {
  auto other = weft::spawn(child("other", 1));
  attempt("results", [] { return weft::gather(); });
  attempt("outcomes", [] { return weft::gather(weft::return_exceptions); });
  attempt("range", [] { return weft::gather(std::vector<decltype(child("", 1))>()); });
  other.get();
}

SCENARIO(only_one_child) {
  attempt("value", [] { return weft::gather(child("a", 1)); });
  attempt("exception", [] { return weft::gather(failing("b", 1)); });
  attempt("outcome", [] { return weft::gather(weft::return_exceptions, failing("c", 1)); });
}

SCENARIO(tasks_started_before_keep_their_results) {
  auto a = weft::spawn(child("a", 3));
  auto b = weft::spawn(child("b", 2));
  ticks(1);
  const auto start = now();
  attempt("gather", [&] { return weft::gather(b, a); });
  trace("ticks", passed(start));
  attempt("a again", [&] { return a.get(); });
  attempt("gather again", [&] { return weft::gather(a, b); });
}

SCENARIO(tasks_and_callables_together) {
  auto c = weft::spawn(child("c", 1));
  attempt("gather", [&] { return weft::gather(child("a", 3), c, child("b", 2)); });
}

SCENARIO(children_start_in_order_behind_those_that_are_ready) {
  auto before = weft::spawn(child("before", 9));
  const auto gathers = [] { weft::gather(child("a", 3), child("b", 1), child("c", 2)); };
  auto task = weft::spawn(gathers);
  auto after = weft::spawn(child("after", 8));
  task.get();
  after.get();
  before.get();
}

SCENARIO(same_task_twice_runs_once) {
  auto a = weft::spawn(child("a", 2));
  attempt("results", [&] { return weft::gather(a, child("b", 1), a); });
  auto c = weft::spawn(failing("c", 1));
  attempt("outcomes", [&] { return weft::gather(weft::return_exceptions, c, c); });
}

SCENARIO(children_without_results) {
  std::vector<std::string> order;
  const auto notes = [&](const char* name, double count) {
    return [&order, name, count] {
      ticks(count);
      order.emplace_back(name);
    };
  };
  attempt("gather", [&] { return weft::gather(notes("a", 2), notes("b", 1)); });
  trace("order", order);
}

SCENARIO(any_number_of_children) {
  std::vector<decltype(child("", 1))> children;
  for (int i = 0; i < 5; ++i) children.push_back(child("n" + text(i), 5 - i));
  attempt("results", [&] { return weft::gather(children); });
  std::vector<weft::Task<std::string>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(weft::spawn(child("t" + text(i), 3 - i)));
  attempt("of tasks", [&] { return weft::gather(tasks); });
}

SCENARIO(range_with_a_failure) {
  std::vector<weft::Task<std::string>> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(weft::spawn(failing("f" + text(i), 4 - i)));
  attempt("results", [&] { return weft::gather(tasks); });
  attempt("outcomes", [&] { return weft::gather(weft::return_exceptions, tasks); });
}

SCENARIO(tasks_that_have_ended) {
  auto a = weft::spawn(child("a", 1));
  auto b = weft::spawn(failing("b", 2));
  auto c = weft::spawn(child("c", 9));
  ticks(3);
  trace("cancel", c.cancel());
  ticks(1);
  const auto start = now();
  attempt("a", [&] { return weft::gather(a, a); });
  attempt("outcomes", [&] { return weft::gather(weft::return_exceptions, c, b, a); });
  trace("ticks", passed(start));
}

SCENARIO(gathers_in_children) {
  const auto pair = [] { return weft::gather(child("a", 3), child("b", 1)); };
  const auto both = [=] { return weft::gather(pair, child("c", 2)); };
  attempt("gather", [&] { return weft::gather(both, child("d", 4)); });
}

// ---- Exceptions.

SCENARIO(first_exception_at_once_while_siblings_go_on) {
  const auto start = now();
  attempt("gather", [] { return weft::gather(child("a", 3), failing("b", 1), child("c", 2)); });
  trace("ticks", passed(start));
  ticks(5);
  trace("left");
}

SCENARIO(first_exception_is_the_first_in_time) {
  auto a = weft::spawn(failing("a", 3));
  auto b = weft::spawn(failing("b", 2));
  attempt("gather", [&] { return weft::gather(a, b, child("c", 1)); });
  trace("done", a.done(), b.done());
  ticks(3);
  attempt("a", [&] { return a.get(); });
  attempt("b", [&] { return b.get(); });
}

SCENARIO(later_exceptions_count_as_read) {
  auto other = weft::spawn(failing("other", 2));
  attempt("gather", [] { return weft::gather(failing("a", 4), failing("b", 1), failing("c", 3)); });
  ticks(5);
  trace("other is");
  other = {};
  trace("left");
}

SCENARIO(exception_of_a_task_that_had_failed_before) {
  auto failed = weft::spawn(failing("failed", 1));
  auto sibling = weft::spawn(child("sibling", 4));
  ticks(2);
  const auto start = now();
  attempt("gather", [&] { return weft::gather(sibling, failed); });
  trace("ticks", passed(start), "sibling done", sibling.done());
  attempt("sibling", [&] { return sibling.get(); });
}

SCENARIO(exceptions_keep_their_types) {
  attempt("a", [] { return weft::gather(throwing(OtherFailure("a"), 1), child("b", 2)); });
  ticks(3);
  attempt("all", [] {
    return weft::gather(weft::return_exceptions, throwing(Failure("c"), 1),
                        throwing(weft::TimeoutError(), 3), throwing(std::invalid_argument(""), 2),
                        throwing(weft::Cancelled(), 4));
  });
}

SCENARIO(outcomes_come_when_all_have_ended) {
  const auto start = now();
  attempt("gather", [] {
    return weft::gather(weft::return_exceptions, failing("a", 1), child("b", 3), failing("c", 2));
  });
  trace("ticks", passed(start));
}

SCENARIO(outcomes_count_as_read) {
  auto a = weft::spawn(failing("a", 1));
  weft::gather(weft::return_exceptions, a, failing("b", 2));
  trace("a is");
  a = {};
  trace("left");
}

SCENARIO(exception_passes_through_gathers_in_children) {
  const auto pair = [] {
    try {
      return weft::gather(child("a", 2), failing("b", 1));
    } catch (const Failure& error) {
      trace("pair caught", error);
      throw;
    }
  };
  attempt("gather", [&] { return weft::gather(child("c", 3), pair); });
  ticks(4);
  trace("left");
}

SCENARIO(failure_caught_in_a_child_stays_there) {
  const auto pair = [] {
    try {
      weft::gather(child("a", 2), failing("b", 1));
    } catch (const Failure& error) {
      trace("pair caught", error);
    }
    return std::string("instead");
  };
  attempt("gather", [&] { return weft::gather(child("c", 3), pair); });
}

// ---- A child is cancelled, not the caller.

SCENARIO(cancelled_child_looks_like_a_raised_cancelled) {
  auto a = weft::spawn(child("a", 9));
  const auto stop = [&] {
    ticks(1);
    trace("cancel", a.cancel());
  };
  attempt("gather", [&] { return weft::gather(a, stop, child("b", 2)); });
  trace("cancelling", cancelling());
  ticks(3);
  trace("left");
}

SCENARIO(cancelled_child_among_outcomes) {
  auto a = weft::spawn(child("a", 9));
  const auto stop = [&] {
    ticks(1);
    trace("cancel", a.cancel());
    return "stopped";
  };
  attempt("gather", [&] { return weft::gather(weft::return_exceptions, a, stop, child("b", 2)); });
  trace("cancelling", cancelling());
}

SCENARIO(child_that_throws_cancelled_itself) {
  attempt("gather", [] { return weft::gather(child("a", 3), throwing(weft::Cancelled(), 1)); });
  trace("cancelling", cancelling());
  ticks(4);
}

SCENARIO(cancelled_child_that_returns_all_the_same) {
  auto task = weft::spawn([] {
    try {
      ticks(9);
    } catch (const weft::Cancelled& error) {
      trace("stubborn caught", error);
    }
    return "all the same";
  });
  const auto stop = [&] {
    ticks(1);
    trace("cancel", task.cancel());
    return "stopped";
  };
  attempt("gather", [&] { return weft::gather(task, stop); });
  trace("cancelled", task.cancelled());
}

SCENARIO(child_cancelled_before_it_starts) {
  auto a = weft::spawn(child("a", 1));
  trace("cancel", a.cancel());
  attempt("gather", [&] { return weft::gather(weft::return_exceptions, a, child("b", 2)); });
}

}  // namespace parity
