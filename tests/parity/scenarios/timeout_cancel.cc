// Limits of time that are not alone: beside a cancel from outside, and one within another. Each
// scenario does what its namesake in timeout_cancel.py does.

#include "parity/cast.h"

namespace parity {

using cast::block_until;
using cast::overlong;
using cast::passed;
using cast::timeout;
using weft::TimeoutScope;
using weft::this_task::cancelling;
using TimePoint = TimeoutScope::TimePoint;

static void slow_to_clean_up() {
  try {
    ticks(99);
  } catch (const weft::Cancelled&) {
    trace("cleaning up", cancelling());
    try {
      ticks(9);
    } catch (const weft::Cancelled& error) {
      trace("cleanup caught", error, cancelling());
      throw;
    }
    throw;
  }
}

/// Sleeps until the moment is so near that it can be waited for awake.
static void just_before(TimePoint moment) { weft::sleep_until(moment - span(0.02)); }

/// Waits until the task has been asked to stop, and has not run since.
template <class T>
static void asked_to_stop(const weft::Task<T>& task) {
  while (task.cancelling() == 0) turns(1);
}

SCENARIO(cancelled_before_the_limit) {
  auto task = weft::spawn([] { timeout(5, overlong); });
  ticks(1);
  trace("cancel", task.cancel());
  attempt("task", [&] { task.get(); });
  trace("cancelled", task.cancelled());
}

SCENARIO(cancelled_while_cleaning_up_after_the_limit) {
  auto task = weft::spawn([] { timeout(2, slow_to_clean_up); });
  ticks(4);
  trace("cancel", task.cancel());
  attempt("task", [&] { task.get(); });
}

SCENARIO(limit_reached_while_cleaning_up_after_a_cancel) {
  auto task = weft::spawn([] { timeout(4, slow_to_clean_up); });
  ticks(2);
  trace("cancel", task.cancel());
  attempt("task", [&] { task.get(); });
}

SCENARIO(cancelled_and_then_expired_before_it_runs) {
  const auto limit = now() + span(5);
  auto task = weft::spawn([&] {
    attempt("timeout", [&] { weft::timeout_at(limit, overlong); });
    trace("cancelling", cancelling());
  });
  just_before(limit);
  trace("cancel", task.cancel());
  block_until(limit + span(0.001));
  task.get();
}

SCENARIO(expired_and_then_cancelled_before_it_runs) {
  const auto body = [](TimeoutScope& scope) {
    try {
      overlong();
    } catch (const weft::Cancelled&) {
      trace("expired", scope.expired(), "cancelling", cancelling());
      throw;
    }
  };
  const auto limit = now() + span(5);
  auto task = weft::spawn([&] {
    attempt("timeout", [&] { weft::timeout_at(limit, body); });
    trace("cancelling", cancelling());
    attempt("later", [] { ticks(1); });
  });
  just_before(limit);
  asked_to_stop(task);
  trace("cancel", task.cancel());
  task.get();
}

SCENARIO(what_it_waits_for_comes_after_expiry) {
  weft::Event event;

  const auto body = [&] {
    event.wait();
    return "set";
  };
  const auto limit = now() + span(5);
  auto task = weft::spawn([&] { return weft::timeout_at(limit, body); });
  just_before(limit);
  asked_to_stop(task);
  event.set();
  attempt("task", [&] { return task.get(); });
}

SCENARIO(cancelled_after_the_limit_is_over_and_done_with) {
  auto task = weft::spawn([] {
    attempt("timeout", [] { timeout(2, overlong); });
    attempt("afterwards", [] { ticks(99); });
    trace("cancelling", cancelling());
  });
  ticks(4);
  trace("cancel", task.cancel());
  task.get();
}

SCENARIO(limit_in_a_task_that_has_just_cancelled_itself) {
  auto task = weft::spawn([] {
    weft::this_task::cancel();
    attempt("timeout", [] { timeout(5, overlong); });
    trace("cancelling", cancelling());
  });
  task.get();
}

SCENARIO(limit_in_a_task_whose_cancel_was_taken_back) {
  auto task = weft::spawn([] {
    attempt("sleep", [] { ticks(99); });
    trace("uncancel", weft::this_task::uncancel());
    attempt("timeout", [] { timeout(2, overlong); });
    trace("cancelling", cancelling());
  });
  ticks(1);
  trace("cancel", task.cancel());
  task.get();
}

// ---- One within another.

/// The body of an outer limit, with an inner one.
template <class F>
static decltype(auto) tell_how_it_ends(F&& inner, TimeoutScope& outer) {
  try {
    return inner();
  } catch (...) {
    trace("inner threw", std::current_exception(), "outer expired", outer.expired());
    throw;
  }
}

static void noting_expiry(TimeoutScope& scope) {
  try {
    overlong();
  } catch (const weft::Cancelled&) {
    trace("inner expired", scope.expired());
    throw;
  }
}

SCENARIO(inner_limit_is_reached_first) {
  const auto body = [](TimeoutScope& outer) {
    tell_how_it_ends([] { timeout(2, noting_expiry); }, outer);
  };
  const auto start = now();
  attempt("outer", [&] { timeout(5, body); });
  trace("ticks", passed(start));
}

SCENARIO(outer_limit_is_reached_first) {
  const auto body = [](TimeoutScope& outer) {
    tell_how_it_ends([] { timeout(5, noting_expiry); }, outer);
  };
  const auto start = now();
  attempt("outer", [&] { timeout(2, body); });
  trace("ticks", passed(start));
}

SCENARIO(outer_limit_is_reached_while_the_inner_body_cleans_up) {
  const auto body = [](TimeoutScope& outer) {
    tell_how_it_ends([] { timeout(2, slow_to_clean_up); }, outer);
  };
  const auto start = now();
  attempt("outer", [&] { timeout(5, body); });
  trace("ticks", passed(start), "cancelling", cancelling());
}

SCENARIO(inner_limit_is_reached_while_its_body_cleans_up_after_the_outer) {
  const auto body = [](TimeoutScope& outer) {
    tell_how_it_ends([] { timeout(5, slow_to_clean_up); }, outer);
  };
  const auto start = now();
  attempt("outer", [&] { timeout(2, body); });
  trace("ticks", passed(start), "cancelling", cancelling());
}

SCENARIO(both_limits_are_reached_before_it_runs) {
  const auto limit = now() + span(5);
  const auto body = [&](TimeoutScope& outer) {
    tell_how_it_ends([&] { weft::timeout_at(limit + span(0.002), noting_expiry); }, outer);
  };
  auto task = weft::spawn([&] { weft::timeout_at(limit, body); });
  just_before(limit);
  block_until(limit + span(0.004));
  attempt("outer", [&] { task.get(); });
}

SCENARIO(inner_timeout_is_caught_and_the_outer_limit_still_holds) {
  const auto body = [] {
    attempt("inner", [] { timeout(2, overlong); });
    trace("cancelling", cancelling());
    overlong();
  };
  const auto start = now();
  attempt("outer", [&] { timeout(5, body); });
  trace("ticks", passed(start));
}

SCENARIO(outer_limit_lifted_from_within_the_inner_one) {
  const auto body = [](TimeoutScope& outer) {
    const auto inner = [&] {
      outer.reschedule(std::nullopt);
      ticks(4);
      return "free";
    };
    return tell_how_it_ends([&] { return timeout(9, inner); }, outer);
  };
  attempt("outer", [&] { return timeout(2, body); });
}

SCENARIO(body_swallows_the_expiry_of_the_outer_limit) {
  const auto body = [](TimeoutScope& outer) {
    const auto inner = [&](TimeoutScope& scope) {
      try {
        ticks(99);
      } catch (const weft::Cancelled&) {
        trace("swallowed", outer.expired(), scope.expired());
      }
      overlong();
    };
    attempt("inner", [&] { timeout(5, inner); });
    ticks(3);
    return "late";
  };
  const auto start = now();
  attempt("outer", [&] { return timeout(2, body); });
  trace("ticks", passed(start), "cancelling", cancelling());
}

SCENARIO(cancelled_within_two_limits) {
  const auto body = [](TimeoutScope& outer) {
    tell_how_it_ends([] { timeout(5, overlong); }, outer);
  };
  auto task = weft::spawn([&] { timeout(9, body); });
  ticks(2);
  trace("cancel", task.cancel());
  attempt("task", [&] { task.get(); });
}

}  // namespace parity
