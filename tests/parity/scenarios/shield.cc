// Waiting for a task, which the caller's cancellation does not reach. Each scenario does what its
// namesake in shield.py does.

#include "parity/cast.h"

namespace parity {

using cast::child;
using cast::failing;

namespace {

template <class A>
auto shields(const char* name, A inner) {
  return [=] {
    attempt(name, [&] { return weft::shield(inner); });
    trace("cancelling", weft::this_task::cancelling());
  };
}

}  // namespace

SCENARIO(nothing_happens) {
  attempt("callable", [] { return weft::shield(child("a", 1)); });
  auto task = weft::spawn(child("b", 1));
  attempt("task", [&] { return weft::shield(task); });
  attempt("task again", [&] { return task.get(); });
}

SCENARIO(cancelled_caller_leaves_the_inner_running) {
  auto inner = weft::spawn(child("inner", 3));
  auto caller = weft::spawn(shields("caller", inner));
  ticks(1);
  trace("cancel", caller.cancel());
  caller.get();
  trace("inner", inner.done(), inner.cancelling());
  attempt("inner", [&] { return inner.get(); });
}

SCENARIO(cancelled_caller_leaves_a_callable_running) {
  auto caller = weft::spawn(shields("caller", child("inner", 3)));
  ticks(1);
  trace("cancel", caller.cancel());
  caller.get();
  ticks(4);
  trace("left");
}

SCENARIO(cancelled_caller_waits_for_the_inner_after_all) {
  auto inner = weft::spawn(child("inner", 3));
  const auto patient = [&] {
    try {
      weft::shield(inner);
    } catch (const weft::Cancelled& error) {
      trace("caught", error);
      attempt("inner", [&] { return weft::shield(inner); });
      throw;
    }
  };
  auto caller = weft::spawn(patient);
  ticks(1);
  trace("cancel", caller.cancel());
  attempt("caller", [&] { caller.get(); });
}

SCENARIO(inner_that_is_cancelled_shows) {
  auto inner = weft::spawn(child("inner", 3));
  auto caller = weft::spawn(shields("caller", inner));
  ticks(1);
  trace("cancel", inner.cancel());
  caller.get();
  trace("cancelled", caller.cancelled());
}

SCENARIO(inner_that_fails_shows) {
  auto inner = weft::spawn(failing("inner", 1));
  attempt("task", [&] { return weft::shield(inner); });
  attempt("callable", [] { return weft::shield(failing("other", 1)); });
  trace("dropped");
  inner = {};
  trace("left");
}

SCENARIO(inner_that_fails_after_the_caller_has_gone) {
  auto inner = weft::spawn(failing("inner", 3));
  auto caller = weft::spawn(shields("caller", inner));
  ticks(1);
  trace("cancel", caller.cancel());
  caller.get();
  ticks(3);
  trace("dropped");
  inner = {};
  trace("left");
}

SCENARIO(ended_inner_is_there_at_once) {
  auto value = weft::spawn(child("value", 1));
  auto failed = weft::spawn(failing("failed", 2));
  ticks(3);
  auto other = weft::spawn(child("other", 1));
  attempt("value", [&] { return weft::shield(value); });
  attempt("failed", [&] { return weft::shield(failed); });
  other.get();
}

SCENARIO(ended_inner_is_no_place_to_be_cancelled) {
  auto inner = weft::spawn(child("inner", 1));
  ticks(2);
  const auto caller = [&] {
    trace("cancel", weft::this_task::cancel());
    shields("shield", inner)();
    attempt("next", [] { ticks(1); });
  };
  weft::spawn(caller).get();
}

SCENARIO(request_that_was_there_before_the_shield) {
  auto inner = weft::spawn(child("inner", 3));
  ticks(1);
  const auto caller = [&] {
    trace("cancel", weft::this_task::cancel());
    shields("shield", inner)();
    attempt("next", [] { ticks(1); });
  };
  weft::spawn(caller).get();
  attempt("inner", [&] { return inner.get(); });
}

SCENARIO(two_shields_of_one_task) {
  auto inner = weft::spawn(child("inner", 3));
  auto first = weft::spawn(shields("first", inner));
  auto second = weft::spawn(shields("second", inner));
  ticks(1);
  trace("cancel", first.cancel());
  first.get();
  second.get();
}

SCENARIO(shield_in_a_gather_that_is_cancelled) {
  auto inner = weft::spawn(child("inner", 3));
  const auto shielded = [&] { return weft::shield(inner); };
  const auto gathers = [&] {
    attempt("gather", [&] { return weft::gather(child("a", 9), shielded); });
  };
  auto caller = weft::spawn(gathers);
  ticks(1);
  trace("cancel", caller.cancel());
  caller.get();
  attempt("inner", [&] { return inner.get(); });
}

SCENARIO(shielded_gather_goes_on) {
  const auto both = [] { return weft::gather(child("a", 3), child("b", 2)); };
  auto inner = weft::spawn(both);
  auto caller = weft::spawn(shields("caller", inner));
  ticks(1);
  trace("cancel", caller.cancel());
  caller.get();
  attempt("inner", [&] { return inner.get(); });
}

SCENARIO(limit_around_a_shield) {
  auto inner = weft::spawn(child("inner", 3));
  const auto limited = [&] { return weft::timeout(span(2), [&] { return weft::shield(inner); }); };
  attempt("limited", limited);
  trace("inner", inner.done());
  attempt("limited", limited);
}

SCENARIO(end_of_the_run_cancels_what_was_shielded) {
  auto caller = weft::spawn(shields("caller", child("inner", 9)));
  ticks(1);
  trace("cancel", caller.cancel());
  caller.get();
  trace("main ends");
}

}  // namespace parity
