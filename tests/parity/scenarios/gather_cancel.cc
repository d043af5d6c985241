// Cancelling one who waits for many. Each scenario does what its namesake in gather_cancel.py does.

#include "parity/cast.h"

namespace parity {

using cast::child;
using cast::failing;
using cast::passed;

namespace {

/// Takes so long to clean up.
auto slow(const std::string& name, double count) {
  return [=]() -> void {
    try {
      ticks(99);
    } catch (const weft::Cancelled& error) {
      trace(name, "caught", error);
      try {
        ticks(count);
        trace(name, "has cleaned up");
      } catch (const weft::Cancelled& again) {
        trace(name, "caught again", again);
      }
      throw;
    }
  };
}

/// Returns in spite of being cancelled, so much later.
auto stubborn(const std::string& name, double count = 0) {
  return [=] {
    try {
      ticks(99);
    } catch (const weft::Cancelled& error) {
      trace(name, "caught", error);
    }
    if (count > 0) ticks(count);
    trace(name, "ends");
    return name;
  };
}

/// Fails as it cleans up, so much later.
auto clumsy(const std::string& name, double count = 0) {
  return [=] {
    try {
      ticks(99);
    } catch (const weft::Cancelled& error) {
      trace(name, "caught", error);
      if (count > 0) ticks(count);
      trace(name, "fails");
      throw Failure(name);
    }
  };
}

unsigned cancelling() { return weft::this_task::cancelling(); }

template <class... A>
auto gathers(const char* name, A... children) {
  return [=] { attempt(name, [&] { return weft::gather(children...); }); };
}

/// Cancels so much later who runs body(), and says when that has left it.
template <class F>
void cancel_after(double count, const F& body) {
  const auto caller = [&] {
    attempt("caller", body);
    trace("cancelling", cancelling());
  };
  const auto start = now();
  auto task = weft::spawn(caller);
  ticks(count);
  trace("cancel", task.cancel());
  task.get();
  trace("ticks", passed(start));
}

}  // namespace

SCENARIO(all_children_are_cancelled) {
  const auto body = [] { return weft::gather(child("a", 8), child("b", 9)); };
  cancel_after(1, body);
}

SCENARIO(children_that_have_ended_keep_their_results) {
  auto a = weft::spawn(child("a", 1));
  auto b = weft::spawn(child("b", 9));
  const auto body = [&] { return weft::gather(a, b); };
  cancel_after(2, body);
  attempt("a", [&] { return a.get(); });
  attempt("b", [&] { return b.get(); });
}

SCENARIO(cancelled_caller_gets_no_outcomes) {
  const auto body = [] {
    return weft::gather(weft::return_exceptions, child("a", 1), child("b", 9), stubborn("c"));
  };
  cancel_after(2, body);
}

SCENARIO(children_that_return_all_the_same) {
  const auto body = [] { return weft::gather(stubborn("a"), stubborn("b")); };
  cancel_after(1, body);
}

SCENARIO(outcomes_wait_for_slow_cleanup) {
  const auto body = [] {
    return weft::gather(weft::return_exceptions, slow("a", 2), child("b", 9), stubborn("c", 3));
  };
  cancel_after(1, body);
}

SCENARIO(results_wait_for_slow_cleanup) {
  const auto body = [] { return weft::gather(slow("a", 2), child("b", 9)); };
  cancel_after(1, body);
  ticks(5);
  trace("left");
}

SCENARIO(cleanup_that_fails_at_once_counts_as_read) {
  const auto body = [] { return weft::gather(child("a", 9), clumsy("b")); };
  cancel_after(1, body);
}

SCENARIO(cleanup_that_fails_among_outcomes_counts_as_read) {
  const auto body = [] {
    return weft::gather(weft::return_exceptions, clumsy("a", 1), clumsy("b", 2));
  };
  cancel_after(1, body);
}

SCENARIO(cleanup_that_fails_first) {
  const auto body = [] { return weft::gather(clumsy("a"), child("b", 9)); };
  cancel_after(1, body);
}

SCENARIO(caller_cancelled_twice) {
  auto caller = weft::spawn(gathers("caller", slow("a", 8)));
  ticks(1);
  trace("cancel", caller.cancel());
  ticks(2);
  trace("cancel", caller.cancel());
  trace("cancelling", caller.cancelling());
  const auto start = now();
  caller.get();
  trace("ticks", passed(start));
}

SCENARIO(caller_cancelled_after_the_first_exception) {
  const auto cleans_up = [] {
    try {
      weft::gather(child("a", 4), failing("b", 1));
    } catch (const Failure& error) {
      trace("caller caught", error);
      ticks(8);
    }
  };
  cancel_after(2, cleans_up);
  ticks(5);
  trace("left");
}

SCENARIO(caller_cancelled_between_the_first_exception_and_its_turn) {
  weft::Event gate;
  const auto fails = [&] {
    gate.wait();
    trace("fails");
    throw Failure("a");
  };
  auto caller = weft::spawn(gathers("caller", fails, child("b", 3)));
  ticks(1);
  gate.set();
  turns(1);
  trace("cancel", caller.cancel());
  caller.get();
  ticks(5);
  trace("left");
}

SCENARIO(caller_cancelled_before_its_children_start) {
  auto caller = weft::spawn(gathers("caller", child("a", 8), child("b", 9)));
  turns(1);
  trace("cancel", caller.cancel());
  caller.get();
}

SCENARIO(request_that_was_there_before_the_gather) {
  auto a = weft::spawn(child("a", 8));
  auto b = weft::spawn(child("b", 9));
  ticks(1);
  const auto caller = [&] {
    trace("cancel", weft::this_task::cancel());
    gathers("caller", a, b)();
    trace("cancelling", cancelling());
  };
  weft::spawn(caller).get();
  trace("cancelled", a.cancelled(), b.cancelled());
}

SCENARIO(request_that_was_there_before_lets_no_child_start) {
  const auto caller = [] {
    trace("cancel", weft::this_task::cancel());
    gathers("caller", child("a", 8), child("b", 9))();
  };
  weft::spawn(caller).get();
}

SCENARIO(caller_goes_on_after_its_gather_was_cancelled) {
  const auto caller = [] {
    attempt("first", [] { return weft::gather(child("a", 8), child("b", 9)); });
    trace("uncancel", weft::this_task::uncancel());
    attempt("second", [] { return weft::gather(child("c", 2), child("d", 1)); });
  };
  auto task = weft::spawn(caller);
  ticks(1);
  trace("cancel", task.cancel());
  task.get();
  trace("cancelled", task.cancelled());
}

SCENARIO(cancellation_reaches_gathers_in_children) {
  const auto pair = [] {
    try {
      weft::gather(child("b", 8), child("c", 9));
    } catch (const weft::Cancelled& error) {
      trace("pair caught", error);
      throw;
    }
  };
  const auto body = [&] { return weft::gather(weft::return_exceptions, child("a", 7), pair); };
  cancel_after(1, body);
}

SCENARIO(shared_task_is_cancelled_with_one_of_its_callers) {
  auto shared = weft::spawn(child("shared", 9));
  auto first = weft::spawn(gathers("first", shared));
  auto second = weft::spawn(gathers("second", shared, child("a", 3)));
  ticks(1);
  trace("cancel", first.cancel());
  first.get();
  second.get();
  trace("cancelling", first.cancelling(), second.cancelling());
  ticks(5);
}

SCENARIO(limit_in_one_child) {
  const auto limited = [] { return weft::timeout(span(2), child("a", 9)); };
  attempt("gather", [&] { return weft::gather(limited, child("b", 3)); });
  ticks(5);
  trace("left");
}

}  // namespace parity
