// Task groups within one another, and within other ways of waiting. Each scenario does what its
// namesake in task_group_nested.py does.

#include "parity/cast.h"

namespace parity {

using cast::child;
using cast::failing;
using cast::failing_cleanup;
using cast::slow_to_stop;
using cast::timeout;
using weft::TaskGroup;
using weft::this_task::cancelling;

template <class F>
static void attempt_group(std::string_view what, F&& body) {
  attempt(what, [&] { return weft::task_group(body); });
}

/// A group, whose end is somebody else's business.
template <class F>
static auto tell_how_it_ends(const char* what, F body) {
  return [=] {
    try {
      weft::task_group(body);
    } catch (...) {
      trace(what, "threw", std::current_exception());
      throw;
    }
  };
}

// ---- Groups in groups.

SCENARIO(inner_group_fails_and_its_group_is_in_the_outer) {
  const auto inner = [](TaskGroup& group) {
    group.spawn(failing("b", 1));
    child("inner body", 99)();
  };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(child("a", 9));
    tell_how_it_ends("inner", inner)();
  });
  trace("cancelling", cancelling());
}

SCENARIO(inner_failure_caught_leaves_the_outer_unharmed) {
  const auto inner = [](TaskGroup& group) {
    group.spawn(failing("b", 1));
    child("inner body", 99)();
  };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(child("a", 3));
    attempt_group("inner", inner);
    trace("cancelling", cancelling());
    child("outer body", 1)();
    return "result";
  });
}

SCENARIO(outer_child_fails_while_the_inner_body_waits) {
  const auto inner = [](TaskGroup& group) {
    group.spawn(child("b", 9));
    child("inner body", 99)();
  };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(failing("a", 1));
    tell_how_it_ends("inner", inner)();
  });
  trace("cancelling", cancelling());
}

SCENARIO(outer_child_fails_while_the_inner_group_closes) {
  const auto inner = [](TaskGroup& group) { group.spawn(child("b", 9)); };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(failing("a", 1));
    tell_how_it_ends("inner", inner)();
  });
  trace("cancelling", cancelling());
}

SCENARIO(outer_child_fails_and_the_inner_one_while_it_stops) {
  const auto inner = [](TaskGroup& group) {
    group.spawn(failing_cleanup("b", 2));
    child("inner body", 99)();
  };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(failing("a", 1));
    tell_how_it_ends("inner", inner)();
  });
  trace("cancelling", cancelling());
}

SCENARIO(inner_and_outer_child_fail_in_the_same_turn) {
  weft::Event event;
  const auto fails_when_set = [&](const char* name) {
    return [&event, name] {
      event.wait();
      throw Failure(name);
    };
  };
  attempt_group("outer", [&](TaskGroup& outer_group) {
    attempt_group("inner", [&](TaskGroup& group) {
      group.spawn(fails_when_set("inner"));
      outer_group.spawn(fails_when_set("outer"));
      ticks(1);
      event.set();
      child("inner body", 99)();
    });
    trace("cancelling", cancelling());
  });
  trace("cancelling", cancelling());
  attempt("later", [] { ticks(1); });
}

SCENARIO(inner_group_is_in_a_child_of_the_outer) {
  const auto inner = [](TaskGroup& group) {
    group.spawn(failing("c", 1));
    group.spawn(child("b", 9));
  };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(child("a", 9));
    group.spawn(tell_how_it_ends("inner", inner));
    child("outer body", 99)();
  });
}

SCENARIO(inner_group_in_a_child_is_stopped) {
  const auto inner = [](TaskGroup& group) { group.spawn(failing_cleanup("b", 2)); };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(tell_how_it_ends("inner", inner));
    group.spawn(failing("a", 1));
  });
}

SCENARIO(inner_child_spawns_into_the_outer_group) {
  attempt_group("outer", [](TaskGroup& outer_group) {
    const auto spawner = [&] {
      ticks(1);
      outer_group.spawn(child("a", 3));
      trace("spawner ends");
    };
    tell_how_it_ends("inner", [&](TaskGroup& group) { group.spawn(spawner); })();
    trace("outer body ends");
  });
}

SCENARIO(two_inner_groups_in_children_both_fail) {
  const auto first = [](TaskGroup& group) { group.spawn(failing("a", 1)); };
  const auto second = [](TaskGroup& group) {
    group.spawn(failing_cleanup("b", 2));
    failing_cleanup("body", 1)();
  };
  attempt_group("outer", [&](TaskGroup& group) {
    group.spawn(tell_how_it_ends("first", first));
    group.spawn(tell_how_it_ends("second", second));
  });
}

// ---- Beside time limits, gather and shield.

SCENARIO(limit_is_reached_while_a_failed_group_stops) {
  const auto body = [](TaskGroup& group) {
    group.spawn(slow_to_stop("cleanup", 3));
    group.spawn(failing("b", 1));
    child("body", 99)();
  };
  attempt("timeout", [&] { timeout(2, [&] { weft::task_group(body); }); });
  trace("cancelling", cancelling());
  attempt("later", [] { ticks(1); });
}

SCENARIO(child_fails_while_the_body_has_a_limit) {
  attempt_group("group", [](TaskGroup& group) {
    group.spawn(failing("a", 1));
    attempt("timeout", [] { timeout(5, [] { child("body", 99)(); }); });
    return "result";
  });
  trace("cancelling", cancelling());
}

SCENARIO(limit_within_the_body_is_reached) {
  attempt_group("group", [](TaskGroup& group) {
    group.spawn(child("a", 3));
    attempt("timeout", [] { timeout(1, [] { child("body", 99)(); }); });
    return "result";
  });
}

SCENARIO(gather_of_groups) {
  const auto first = [](TaskGroup& group) {
    group.spawn(child("a", 9));
    group.spawn(failing("b", 1));
  };
  const auto second = [](TaskGroup& group) { group.spawn(child("c", 3)); };
  attempt("gather", [&] {
    weft::gather(tell_how_it_ends("first", first), tell_how_it_ends("second", second));
  });
  ticks(5);
}

SCENARIO(gather_in_a_group_is_stopped) {
  attempt_group("group", [](TaskGroup& group) {
    group.spawn(failing("a", 1));
    attempt("gather", [] { weft::gather(child("b", 9), child("c", 9)); });
  });
  trace("cancelling", cancelling());
}

SCENARIO(shielded_task_outlives_the_group) {
  auto task = weft::spawn(child("shielded", 3));
  attempt_group("group", [&](TaskGroup& group) {
    group.spawn(failing("a", 1));
    attempt("body", [&] { weft::shield(task); });
  });
  trace("done", task.done());
  attempt("task", [&] { return task.get(); });
}

}  // namespace parity
