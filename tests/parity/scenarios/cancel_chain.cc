// Cancelling a task that waits for another one, which passes that on. Each scenario does what its
// namesake in cancel_chain.py does.

#include "parity/cast.h"

namespace parity {

using cast::cancel_after;
using cast::sleeper;

namespace {

using weft::this_task::cancelling;

/// Returns in spite of being cancelled.
auto stubborn(const std::string& name, double count) {
  return [=] {
    attempt(name, [] { ticks(99); });
    attempt(name, [&] { ticks(count); });
    return name;
  };
}

auto slow_to_stop(const std::string& name, double count) {
  return [=]() -> std::string {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      attempt(name, [&] { ticks(count); });
      throw;
    }
    return name;
  };
}

auto failing_cleanup(const std::string& name, double count) {
  return [=]() -> std::string {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      ticks(count);
      throw Failure(name);
    }
    return name;
  };
}

auto waits(const std::string& name, const weft::Task<std::string>& task) {
  return [=, task = task]() mutable -> std::string {
    try {
      return task.get();
    } catch (...) {
      trace(name, "caught", std::current_exception(), "cancelling", cancelling());
      throw;
    }
  };
}

void trace_ends(const std::vector<weft::Task<std::string>>& tasks) {
  for (const auto& task : tasks)
    trace("done", task.done(), "cancelled", task.cancelled(), "cancelling", task.cancelling());
}

}  // namespace

SCENARIO(all_of_a_chain_are_cancelled) {
  auto inner = weft::spawn(sleeper("inner", 9));
  auto middle = weft::spawn(waits("middle", inner));
  auto outer = weft::spawn(waits("outer", middle));
  cancel_after(1, outer);
  attempt("outer", [&] { return outer.get(); });
  trace_ends({inner, middle, outer});
}

SCENARIO(middle_of_a_chain_is_cancelled) {
  auto inner = weft::spawn(sleeper("inner", 9));
  auto middle = weft::spawn(waits("middle", inner));
  auto outer = weft::spawn(waits("outer", middle));
  cancel_after(1, middle);
  attempt("outer", [&] { return outer.get(); });
  trace_ends({inner, middle, outer});
}

SCENARIO(cancelled_task_takes_along_all_who_wait_for_it) {
  auto inner = weft::spawn(sleeper("inner", 9));
  std::vector<weft::Task<std::string>> tasks;
  for (const auto* name : {"a", "b", "c"}) tasks.push_back(weft::spawn(waits(name, inner)));
  cancel_after(1, inner);
  attempt("main", [&] { return inner.get(); });
  turns(2);
  trace_ends(tasks);
}

SCENARIO(one_who_is_cancelled_takes_along_the_others) {
  auto inner = weft::spawn(sleeper("inner", 9));
  std::vector<weft::Task<std::string>> tasks;
  for (const auto* name : {"a", "b", "c"}) tasks.push_back(weft::spawn(waits(name, inner)));
  cancel_after(1, tasks[1]);
  attempt("a", [&] { return tasks[0].get(); });
  turns(2);
  trace_ends(tasks);
}

SCENARIO(awaited_task_that_swallows_the_cancel_keeps_its_caller) {
  auto inner = weft::spawn(stubborn("inner", 2));
  auto outer = weft::spawn(waits("outer", inner));
  cancel_after(1, outer);
  attempt("outer", [&] { return outer.get(); });
  trace_ends({inner, outer});
}

SCENARIO(awaited_task_that_fails_when_it_is_cancelled) {
  auto inner = weft::spawn(failing_cleanup("inner", 2));
  auto outer = weft::spawn(waits("outer", inner));
  cancel_after(1, outer);
  attempt("outer", [&] { return outer.get(); });
  trace_ends({inner, outer});
}

SCENARIO(each_request_is_passed_on_while_the_awaited_cleans_up) {
  auto inner = weft::spawn(slow_to_stop("inner", 9));
  auto outer = weft::spawn(waits("outer", inner));
  cancel_after(1, outer);
  ticks(1);
  trace_ends({inner, outer});
  cancel_after(1, outer);
  attempt("outer", [&] { return outer.get(); });
  trace_ends({inner, outer});
}

SCENARIO(caller_goes_on_to_another_task) {
  auto first = weft::spawn(sleeper("first", 9)), second = weft::spawn(sleeper("second", 9));
  const auto goes_on = [&] {
    attempt("first", [&] { return first.get(); });
    attempt("second", [&] { return second.get(); });
  };
  auto outer = weft::spawn(goes_on);
  cancel_after(1, outer);
  ticks(1);
  trace_ends({first, second});
  cancel_after(1, outer);
  outer.get();
  trace_ends({first, second});
}

SCENARIO(cancel_when_the_awaited_has_just_ended) {
  weft::Event event;
  const auto ends = [&]() -> std::string {
    event.wait();
    trace("inner ends");
    return "value";
  };
  auto inner = weft::spawn(ends);
  auto outer = weft::spawn(waits("outer", inner));
  ticks(1);
  event.set();
  turns(1);
  trace("cancel", outer.cancel());
  attempt("outer", [&] { return outer.get(); });
  trace_ends({inner, outer});
}

SCENARIO(request_that_was_there_before_is_passed_on) {
  auto inner = weft::spawn(sleeper("inner", 9));
  ticks(1);
  const auto outer = [&] {
    trace("cancel", weft::this_task::cancel());
    attempt("outer", [&] { return inner.get(); });
    attempt("next", [] { ticks(1); });
  };
  weft::spawn(outer).get();
  trace_ends({inner});
}

SCENARIO(task_that_has_ended_is_no_place_to_be_cancelled) {
  auto inner = weft::spawn(sleeper("inner", 1));
  ticks(2);
  const auto outer = [&] {
    trace("cancel", weft::this_task::cancel());
    attempt("outer", [&] { return inner.get(); });
    attempt("next", [] { ticks(1); });
  };
  weft::spawn(outer).get();
}

SCENARIO(cleanup_stops_a_helper_and_waits_for_it) {
  auto helper = weft::spawn(slow_to_stop("helper", 2));
  const auto owner = [&]() -> std::string {
    try {
      ticks(99);
    } catch (...) {
      trace("cancel helper", helper.cancel());
      attempt("owner", [&] { return helper.get(); });
      throw;
    }
    return "owner";
  };
  auto outer = weft::spawn(owner);
  cancel_after(1, outer);
  attempt("outer", [&] { return outer.get(); });
  trace_ends({helper, outer});
}

}  // namespace parity
