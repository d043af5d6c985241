// Task groups that fail: who is stopped, who is waited for, and which errors leave. Each scenario
// does what its namesake in task_group_failure.py does.

#include "parity/cast.h"

namespace parity {

using cast::attempt_group;
using cast::cancelled;
using cast::child;
using cast::failing;
using cast::failing_cleanup;
using cast::passed;
using cast::slow_to_stop;
using cast::Tasks;
using weft::TaskGroup;
using weft::this_task::cancelling;

static auto failing_at_once(const std::string& name) {
  return [=] {
    trace(name, "fails");
    throw Failure(name);
  };
}

static void overlong(const std::string& name) { child(name, 99)(); }

static void spawn_refused(const std::string& who, TaskGroup& group) {
  attempt(who + " spawns:", [&] { group.spawn(child("late", 1)); });
}

// ---- A child fails.

SCENARIO(child_that_fails_stops_sibling_and_body) {
  Tasks tasks;
  const auto start = now();
  attempt_group([&](TaskGroup& group) {
    tasks.push_back(group.spawn(child("a", 9)));
    tasks.push_back(group.spawn(failing("b", 1)));
    overlong("body");
  });
  trace("ticks", passed(start), "cancelling", cancelling());
  trace("cancelled", cancelled(tasks));
  trace("exception", tasks[1].exception());
  attempt("later", [] { ticks(1); });
}

SCENARIO(child_fails_when_the_body_has_ended) {
  const auto start = now();
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 9));
    group.spawn(failing("b", 1));
    trace("body ends");
    return "result";
  });
  trace("ticks", passed(start));
}

SCENARIO(nothing_is_left_of_a_failure_while_closing) {
  attempt_group([](TaskGroup& group) { group.spawn(failing("a", 1)); });
  trace("cancelling", cancelling());
}

SCENARIO(child_fails_as_soon_as_it_starts) {
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 9));
    group.spawn(failing_at_once("b"));
    trace("spawned");
    overlong("body");
  });
}

SCENARIO(sibling_that_has_not_started_when_a_child_fails) {
  attempt_group([](TaskGroup& group) {
    group.spawn(failing_at_once("a"));
    group.spawn(child("b", 9));
    overlong("body");
  });
}

SCENARIO(errors_of_children_in_the_order_of_time) {
  const auto start = now();
  attempt_group([](TaskGroup& group) {
    group.spawn(failing_cleanup("a", 4));
    group.spawn(failing_cleanup("b", 2));
    group.spawn(failing("c", 1));
  });
  trace("ticks", passed(start));
}

SCENARIO(children_that_fail_in_the_same_turn) {
  weft::Event event;
  attempt_group([&](TaskGroup& group) {
    const auto fails_when_set = [&](const char* name) {
      return [&event, name] {
        event.wait();
        throw Failure(name);
      };
    };
    for (const auto* name : {"a", "b", "c"}) group.spawn(fails_when_set(name));
    ticks(1);
    event.set();
    overlong("body");
  });
  trace("cancelling", cancelling());
}

SCENARIO(sibling_takes_its_time_to_stop) {
  const auto start = now();
  attempt_group([&](TaskGroup& group) {
    group.spawn(slow_to_stop("cleanup", 5));
    group.spawn(failing("b", 1));
  });
  trace("ticks", passed(start));
}

SCENARIO(sibling_that_does_not_stop_is_waited_for) {
  Tasks tasks;
  const auto stubborn = [] {
    attempt("sleep", [] { ticks(99); });
    return child("stubborn", 3)();
  };
  const auto start = now();
  attempt_group([&](TaskGroup& group) {
    tasks.push_back(group.spawn(stubborn));
    tasks.push_back(group.spawn(failing("b", 1)));
  });
  trace("ticks", passed(start));
  attempt("stubborn", [&] { return tasks[0].get(); });
}

SCENARIO(failing_child_that_the_body_awaits) {
  attempt_group([](TaskGroup& group) {
    auto task = group.spawn(failing("a", 1));
    attempt("body", [&] { return task.get(); });
  });
  trace("cancelling", cancelling());
}

SCENARIO(failing_child_that_a_sibling_awaits) {
  Tasks tasks;
  attempt_group([&](TaskGroup& group) {
    const auto sibling = [&]() -> std::string { return tasks[0].get(); };
    tasks.push_back(group.spawn(failing("a", 1)));
    tasks.push_back(group.spawn(sibling));
  });
  trace("sibling cancelled", tasks[1].cancelled());
}

SCENARIO(spawn_is_refused_when_the_group_stops) {
  attempt_group([](TaskGroup& group) {
    const auto spawner = [&] {
      try {
        ticks(9);
      } catch (...) {
        spawn_refused("child", group);
        throw;
      }
    };
    group.spawn(spawner);
    group.spawn(failing("b", 1));
    try {
      ticks(9);
    } catch (...) {
      spawn_refused("body", group);
      throw;
    }
  });
}

SCENARIO(children_that_multiply_until_one_fails) {
  int started = 0;
  int stopped = 0;
  std::function<void(TaskGroup&)> hydra = [&](TaskGroup& group) {
    ++started;
    try {
      ticks(1);
    } catch (const weft::Cancelled&) {
      ++stopped;
      throw;
    }
    group.spawn([&] { hydra(group); });
    group.spawn([&] { hydra(group); });
  };
  attempt_group([&](TaskGroup& group) {
    group.spawn([&] { hydra(group); });
    group.spawn(failing("hero", 3.5));
  });
  trace("started", started, "stopped", stopped);
}

// ---- The body fails, or does not stop.

SCENARIO(body_fails_alone) {
  attempt_group([](TaskGroup&) { throw Failure("body"); });
  trace("cancelling", cancelling());
}

SCENARIO(body_fails_and_a_child_is_stopped) {
  const auto start = now();
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 9));
    failing("body", 1)();
  });
  trace("ticks", passed(start));
}

SCENARIO(body_fails_before_its_child_has_started) {
  Tasks tasks;
  attempt_group([&](TaskGroup& group) {
    tasks.push_back(group.spawn(child("a", 9)));
    throw Failure("body");
  });
  trace("cancelled", tasks[0].cancelled());
}

SCENARIO(error_of_the_body_comes_last) {
  attempt_group([](TaskGroup& group) {
    group.spawn(failing_cleanup("a", 3));
    ticks(1);
    trace("body fails");
    throw OtherFailure("body");
  });
}

SCENARIO(body_throws_something_else_when_a_child_failed) {
  attempt_group([](TaskGroup& group) {
    group.spawn(failing("a", 1));
    failing_cleanup("body", 1)();
  });
  trace("cancelling", cancelling());
}

SCENARIO(body_goes_on_waiting_when_a_child_failed) {
  const auto start = now();
  attempt_group([](TaskGroup& group) {
    group.spawn(failing("a", 1));
    attempt("body", [] { ticks(99); });
    trace("cancelling", cancelling());
    return child("body", 3)();
  });
  trace("ticks", passed(start), "cancelling", cancelling());
  attempt("later", [] { ticks(1); });
}

SCENARIO(body_takes_back_what_the_group_asked_for) {
  attempt_group([](TaskGroup& group) {
    group.spawn(failing("a", 1));
    attempt("body", [] { ticks(99); });
    trace("uncancel", weft::this_task::uncancel());
    child("body", 1)();
  });
  trace("cancelling", cancelling());
}

}  // namespace parity
