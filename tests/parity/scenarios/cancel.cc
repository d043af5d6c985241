// Asking one task to stop. Each scenario does what its namesake in cancel.py does.

#include "parity/cast.h"

namespace parity {

using cast::sleeper;

namespace {

using weft::this_task::cancelling;

auto failing(const std::string& name, double count) {
  return [=]() -> std::string {
    ticks(count);
    throw Failure(name);
  };
}

void cancel_self() { trace("cancel", weft::this_task::cancel()); }

unsigned uncancel_self() { return weft::this_task::uncancel(); }

/// What an ended task threw.
template <class T>
std::exception_ptr exception(const weft::Task<T>& task) {
  return task.exception();
}

/// Cancels a task that runs body(), and traces its end.
template <class F>
void cancelled_after(double count, const F& body) {
  auto task = weft::spawn(body);
  ticks(count);
  trace("cancel", task.cancel());
  attempt("task", [&] { return task.get(); });
  trace("cancelled", task.cancelled(), "cancelling", task.cancelling());
}

}  // namespace

// ---- Where it is told, and what remains.

SCENARIO(cancel_before_start) {
  auto task = weft::spawn([] { trace("child starts"); });
  trace("cancel", task.cancel());
  attempt("child", [&] { task.get(); });
  trace("cancelled", task.cancelled());
}

SCENARIO(cancel_while_it_sleeps) {
  auto task = weft::spawn(sleeper("child", 9));
  ticks(1);
  trace("cancel", task.cancel(), "done", task.done());
  attempt("child", [&] { return task.get(); });
  trace("cancelled", task.cancelled(), "again", task.cancel());
}

SCENARIO(cancel_while_it_lets_others_run) {
  const auto polite = [] {
    attempt("first", [] { turns(1); });
    attempt("second", [] { turns(1); });
  };
  auto task = weft::spawn(polite);
  turns(1);
  trace("cancel", task.cancel());
  task.get();
  trace("cancelled", task.cancelled());
}

SCENARIO(cancel_while_it_waits_for_an_event) {
  weft::Event event;
  const auto waits = [&](const char* name) {
    return [&event, name] { attempt(name, [&] { event.wait(); }); };
  };
  std::vector tasks{weft::spawn(waits("a")), weft::spawn(waits("b")), weft::spawn(waits("c"))};
  ticks(1);
  trace("cancel", tasks[1].cancel());
  turns(2);
  trace("set");
  event.set();
  for (auto& task : tasks) task.get();
}

SCENARIO(cancel_when_the_event_has_just_been_set) {
  weft::Event event;
  const auto waits = [&] {
    attempt("wait", [&] { event.wait(); });
    attempt("again", [&] { event.wait(); });
  };
  auto task = weft::spawn(waits);
  ticks(1);
  event.set();
  trace("cancel", task.cancel());
  task.get();
  trace("cancelled", task.cancelled());
}

SCENARIO(item_that_meets_a_cancel_goes_to_the_next) {
  weft::Queue<std::string> queue;
  const auto gets = [&](const char* name) {
    return [&queue, name] { attempt(name, [&] { return queue.get(); }); };
  };
  auto first = weft::spawn(gets("first")), second = weft::spawn(gets("second"));
  ticks(1);
  queue.put("item");
  trace("cancel", first.cancel());
  first.get();
  second.get();
  trace("empty", queue.empty());
}

SCENARIO(cancel_of_an_ended_task_changes_nothing) {
  auto value = weft::spawn(sleeper("value", 1)), failed = weft::spawn(failing("failed", 1.5));
  ticks(2);
  for (auto* task : {&value, &failed}) {
    trace("cancel", task->cancel(), "cancelling", task->cancelling());
    attempt("task", [&] { return task->get(); });
    trace("cancelled", task->cancelled());
  }
}

SCENARIO(cancelled_task_answers_the_same_each_time) {
  auto task = weft::spawn(sleeper("child", 9));
  ticks(1);
  trace("cancel", task.cancel());
  trace("done", task.done(), "cancelled", task.cancelled(), "cancelling", task.cancelling());
  turns(2);
  trace("done", task.done(), "cancelled", task.cancelled(), "cancelling", task.cancelling());
  trace("exception", exception(task), exception(task));
  attempt("first", [&] { return task.get(); });
  attempt("second", [&] { return task.get(); });
}

SCENARIO(only_a_failure_that_nobody_reads_is_news) {
  auto cancelled = weft::spawn(sleeper("child", 9)), failed = weft::spawn(failing("failed", 1));
  ticks(2);
  trace("cancel", cancelled.cancel());
  turns(2);
  trace("done", cancelled.done(), failed.done());
  cancelled = {};
  trace("dropped");
  failed = {};
  trace("left");
}

// ---- What the task makes of it.

SCENARIO(handler_of_ordinary_exceptions_lets_it_pass) {
  const auto careless = [] {
    try {
      ticks(9);
    } catch (const std::exception& error) {
      trace("handled", error);
    }
    trace("goes on");
  };
  cancelled_after(1, careless);
}

SCENARIO(cleanup_may_wait) {
  const auto inner = [] {
    try {
      ticks(9);
    } catch (...) {
      ticks(2);
      trace("inner cleaned up");
      throw;
    }
  };
  const auto outer = [&] {
    try {
      inner();
    } catch (...) {
      ticks(1);
      trace("outer cleaned up", "cancelling", cancelling());
      throw;
    }
  };
  cancelled_after(1, outer);
}

SCENARIO(cancel_that_is_caught_is_over) {
  const auto stubborn = [] {
    attempt("sleep", [] { ticks(9); });
    trace("cancelling", cancelling());
    attempt("next", [] { ticks(1); });
    return "all the same";
  };
  cancelled_after(1, stubborn);
}

SCENARIO(failure_after_a_caught_cancel) {
  const auto clumsy = [] {
    try {
      ticks(9);
    } catch (const weft::Cancelled& error) {
      trace("caught", error);
    }
    failing("cleanup", 1)();
  };
  cancelled_after(1, clumsy);
}

SCENARIO(cancelled_while_it_cleans_up_after_a_failure) {
  const auto unlucky = [] {
    try {
      failing("first", 1)();
    } catch (const Failure& error) {
      trace("caught", error);
      sleeper("cleanup", 9)();
      throw;
    }
  };
  cancelled_after(2, unlucky);
}

SCENARIO(cancelled_is_thrown_without_a_request) {
  const auto gives_up = [] {
    ticks(1);
    throw weft::Cancelled();
  };
  auto task = weft::spawn(gives_up);
  attempt("task", [&] { task.get(); });
  trace("cancelled", task.cancelled(), "cancelling", task.cancelling(), cancelling());
}

// ---- Requests are counted.

SCENARIO(two_requests_before_it_runs_are_told_once) {
  const auto stubborn = [] {
    attempt("first", [] { ticks(9); });
    trace("cancelling", cancelling());
    attempt("second", [] { ticks(9); });
  };
  auto task = weft::spawn(stubborn);
  ticks(1);
  for (int i = 0; i < 2; ++i) trace("cancel", task.cancel());
  trace("cancelling", task.cancelling());
  attempt("task", [&] { task.get(); });
}

SCENARIO(each_request_that_comes_later_is_told) {
  const auto stubborn = [] {
    for (int number = 0; number < 4; ++number) {
      attempt("sleep " + text(number), [] { ticks(9); });
      trace("cancelling", cancelling());
    }
    return "at last";
  };
  auto task = weft::spawn(stubborn);
  for (int i = 0; i < 3; ++i) {
    ticks(1);
    trace("cancel", task.cancel());
  }
  attempt("task", [&] { return task.get(); });
}

SCENARIO(cancelled_again_while_it_cleans_up) {
  const auto careful = [] {
    try {
      ticks(9);
    } catch (...) {
      attempt("cleanup", [] { ticks(9); });
      attempt("more cleanup", [] { ticks(1); });
      throw;
    }
  };
  auto task = weft::spawn(careful);
  for (int i = 0; i < 2; ++i) {
    ticks(1);
    trace("cancel", task.cancel());
  }
  attempt("task", [&] { task.get(); });
  trace("cancelling", task.cancelling());
}

SCENARIO(requests_taken_back_never_fall_below_none) {
  const auto stubborn = [] {
    attempt("first", [] { ticks(9); });
    attempt("second", [] { ticks(9); });
    for (int i = 0; i < 3; ++i) trace("uncancel", uncancel_self());
    attempt("third", [] { ticks(9); });
    trace("cancelling", cancelling());
  };
  auto task = weft::spawn(stubborn);
  for (int i = 0; i < 3; ++i) {
    ticks(1);
    trace("cancel", task.cancel());
  }
  task.get();
}

SCENARIO(sleeper_hears_of_a_request_that_was_taken_back) {
  auto task = weft::spawn(sleeper("child", 9));
  ticks(1);
  trace("cancel", task.cancel());
  trace("uncancel", task.uncancel());
  attempt("task", [&] { return task.get(); });
  trace("cancelled", task.cancelled(), "cancelling", task.cancelling());
}

SCENARIO(request_taken_back_before_it_is_told) {
  const auto indecisive = [] {
    cancel_self();
    cancel_self();
    trace("uncancel", uncancel_self());
    attempt("two less one", [] { ticks(1); });
    cancel_self();
    trace("uncancel", uncancel_self());
    trace("uncancel", uncancel_self());
    attempt("none", [] { ticks(1); });
  };
  weft::spawn(indecisive).get();
}

// ---- By itself.

SCENARIO(cancels_itself_and_hears_of_it_when_it_waits) {
  const auto cancels_itself = [] {
    cancel_self();
    trace("goes on", "cancelling", cancelling());
    attempt("wait", [] { turns(1); });
    attempt("next", [] { turns(1); });
  };
  weft::spawn(cancels_itself).get();
}

SCENARIO(cancels_itself_and_ends_before_it_waits) {
  const auto returns = []() -> std::string {
    cancel_self();
    return "value";
  };
  const auto fails = []() -> std::string {
    cancel_self();
    throw Failure("a");
  };
  for (const auto& body : std::initializer_list<std::string (*)()>{returns, fails}) {
    auto task = weft::spawn(body);
    attempt("task", [&] { return task.get(); });
    trace("cancelled", task.cancelled(), "exception", exception(task));
  }
}

SCENARIO(two_cancel_each_other) {
  std::vector<weft::Task<void>> tasks;
  const auto cancels = [&](const char* name, int other) {
    return [&tasks, name, other] {
      try {
        ticks(9);
      } catch (const weft::Cancelled&) {
        trace(name, "cancels", tasks[other].cancel());
        attempt(name, [] { ticks(1); });
        throw;
      }
    };
  };
  tasks = {weft::spawn(cancels("a", 1)), weft::spawn(cancels("b", 0))};
  ticks(1);
  trace("cancel", tasks[0].cancel());
  for (auto& task : tasks) {
    attempt("task", [&] { task.get(); });
    trace("cancelling", task.cancelling());
  }
}

}  // namespace parity
