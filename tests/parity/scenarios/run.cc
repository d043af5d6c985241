// Running a main task, what happens at its end, and who is there meanwhile. Each scenario does what
// its namesake in run.py does.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "parity/cast.h"

namespace parity {

using cast::run;

/// Without a deadline: the clock is not to move on to it while a run comes to its end.
static void forever() {
  weft::Event never;
  never.wait();
}

static void overlong(const char* name, double cleanup) {
  try {
    forever();
  } catch (const weft::Cancelled& error) {
    trace(name, "caught", error);
    ticks(cleanup);
    trace(name, "cleaned up");
    throw;
  }
}

/// Of all tasks, in order.
static std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const weft::TaskInfo& task : weft::all_tasks()) all.push_back(task.name());
  std::sort(all.begin(), all.end());
  return all;
}

static weft::TaskInfo current_task() {
  const auto all = weft::all_tasks();
  return *std::find_if(all.begin(), all.end(),
                       [](const auto& task) { return task.id() == weft::this_task::id(); });
}

// ---- Main.

BARE_SCENARIO(result_of_main) {
  const auto body = [] {
    ticks(1);
    return "done";
  };
  const auto nothing = [] { ticks(1); };
  attempt("run", [&] { return run(body); });
  attempt("run", [&] { run(nothing); });
}

BARE_SCENARIO(exception_of_main) {
  const auto body = [] {
    ticks(1);
    throw Failure("a");
  };
  attempt("run", [&] { run(body); });
}

BARE_SCENARIO(main_cancels_itself) {
  const auto body = [] {
    weft::this_task::cancel();
    trace("cancelled itself");
    ticks(1);
    trace("not reached");
  };
  attempt("run", [&] { run(body); });
}

BARE_SCENARIO(main_is_cancelled_by_a_task) {
  const auto body = [] {
    const weft::TaskInfo self = current_task();
    const auto canceller = [&] { trace("cancel", self.cancel()); };
    auto task = weft::spawn(canceller);
    try {
      ticks(99);
    } catch (const weft::Cancelled& error) {
      trace("main caught", error, "done", task.done());
      throw;
    }
  };
  attempt("run", [&] { run(body); });
}

BARE_SCENARIO(run_within_a_run_is_misuse) {
  const auto other = [] { trace("not reached"); };
  const auto body = [&] {
    attempt("nested", [&] { run(other); });
    ticks(1);
    return "done";
  };
  attempt("run", [&] { return run(body); });
}

// ---- The end.

BARE_SCENARIO(what_is_left_is_cancelled_and_waited_for) {
  const auto body = [] {
    weft::spawn([] { overlong("left", 3); });
    ticks(1);
    trace("main ends");
    return "done";
  };
  attempt("run", [&] { return run(body); });
}

BARE_SCENARIO(exception_of_main_leaves_after_the_others_have_ended) {
  const auto body = [] {
    weft::spawn([] { overlong("left", 3); });
    ticks(1);
    throw Failure("main");
  };
  attempt("run", [&] { run(body); });
}

BARE_SCENARIO(left_over_swallows_its_cancel) {
  const auto left = [] {
    try {
      forever();
    } catch (const weft::Cancelled&) {
      trace("swallowed");
    }
    attempt("left sleeps", [] { ticks(5); });
    trace("left ends");
  };
  const auto body = [&] {
    weft::spawn(left);
    ticks(1);
    return "done";
  };
  attempt("run", [&] { return run(body); });
}

BARE_SCENARIO(left_over_fails_when_it_is_cancelled) {
  const auto left = [] {
    try {
      forever();
    } catch (const weft::Cancelled&) {
      throw Failure("left");
    }
  };
  const auto body = [&] {
    weft::spawn(left);
    ticks(1);
    return "done";
  };
  attempt("run", [&] { return run(body); });
}

BARE_SCENARIO(left_overs_wait_for_each_other) {
  const auto waiting = [](const char* name, weft::Event& awaited, weft::Event& ended) {
    try {
      forever();
    } catch (const weft::Cancelled&) {
      awaited.wait();
      trace(name, "cleaned up");
      ended.set();
    }
  };
  weft::Event first, second, third, fourth;
  const auto body = [&] {
    weft::spawn([&] { waiting("a", second, third); });
    weft::spawn([&] { waiting("b", first, second); });
    weft::spawn([&] { waiting("c", third, fourth); });
    ticks(1);
    trace("main ends");
    first.set();
  };
  attempt("run", [&] { run(body); });
}

BARE_SCENARIO(left_over_starts_another_task_and_waits_for_it) {
  const auto helper = [] {
    ticks(1);
    return "helped";
  };
  const auto left = [&] {
    try {
      forever();
    } catch (const weft::Cancelled&) {
      attempt("helper", [&] { return weft::spawn(helper).get(); });
      throw;
    }
  };
  const auto body = [&] {
    weft::spawn(left);
    ticks(1);
    return "done";
  };
  attempt("run", [&] { return run(body); });
}

BARE_SCENARIO(left_over_starts_another_task_and_ends) {
  const auto late = [] {
    trace("late starts");
    overlong("late", 2);
  };
  const auto left = [&] {
    try {
      forever();
    } catch (const weft::Cancelled&) {
      weft::spawn(late);
      turns(1);
      throw;
    }
  };
  const auto body = [&] {
    weft::spawn(left);
    ticks(1);
    return "done";
  };
  attempt("run", [&] { return run(body); });
}

// ---- Several runs.

BARE_SCENARIO(runs_in_a_row_know_nothing_of_each_other) {
  const auto body = [] {
    trace(names());
    weft::spawn({.name = "left"}, [] { overlong("left", 1); });
    ticks(1);
    trace(names());
  };
  for (const int number : {1, 2}) {
    attempt("run " + std::to_string(number), [&] { run(body); });
  }
}

BARE_SCENARIO(task_survives_between_two_runs) {
  weft::Event event;
  const auto survivor = [&] {
    event.wait();
    return "survived";
  };
  const auto first = [&] { return weft::spawn(survivor); };
  weft::Runtime runtime(options());
  auto task = runtime.run(first);
  const auto second = [&] {
    event.set();
    return task.get();
  };
  trace("between", task.done());
  attempt("second", [&] { return runtime.run(second); });
  trace("afterwards", task.done());
}

BARE_SCENARIO(task_left_by_two_runs_is_cancelled_at_the_end) {
  const auto first = [] {
    weft::spawn([] { overlong("left", 3); });
    ticks(1);
    throw Failure("first");
  };
  const auto second = [] {
    ticks(1);
    return "second";
  };
  {
    weft::Runtime runtime(options());
    attempt("run", [&] { runtime.run(first); });
    attempt("run", [&] { return runtime.run(second); });
    trace("closing");
  }
  trace("closed");
}

// ---- Interrupted.

static void interrupt() { ::kill(::getpid(), SIGINT); }

BARE_SCENARIO(interrupt_cancels_main) {
  const auto body = [] {
    weft::spawn([] { overlong("left", 1); });
    turns(1);
    try {
      interrupt();
      forever();
    } catch (const weft::Cancelled& error) {
      trace("main caught", error);
      ticks(2);
      trace("main cleaned up");
      throw;
    }
  };
  ::signal(SIGINT, SIG_DFL);
  attempt("run", [&] { run(body); });
}

BARE_SCENARIO(main_swallows_the_cancel_of_an_interrupt) {
  const auto body = [&] {
    try {
      interrupt();
      forever();
    } catch (const weft::Cancelled&) {
      trace("main swallowed", weft::this_task::cancelling());
    }
    attempt("main sleeps", [] { ticks(1); });
    return "ended in order";
  };
  ::signal(SIGINT, SIG_DFL);
  attempt("run", [&] { return run(body); });
}

BARE_SCENARIO(interrupt_concerns_only_the_run_in_which_it_came) {
  const auto interrupted = [&] {
    try {
      interrupt();
      forever();
    } catch (const weft::Cancelled& error) {
      trace("main caught", error);
    }
  };
  const auto next_one = [] {
    ticks(1);
    return weft::this_task::cancelling();
  };
  ::signal(SIGINT, SIG_DFL);
  weft::Runtime runtime(options());
  attempt("first", [&] { runtime.run(interrupted); });
  attempt("second", [&] { return runtime.run(next_one); });
  attempt("third", [&] { runtime.run(interrupted); });
}

// ---- Who is there.

SCENARIO(all_tasks_are_those_that_have_not_ended) {
  const auto child = [](double count) { return [=] { ticks(count); }; };
  auto task = weft::spawn({.name = "a"}, child(3));
  trace(names());
  weft::spawn({.name = "b"}, child(1));
  weft::spawn({.name = "c"}, [] { overlong("c", 2); }).cancel();
  trace(names());
  ticks(2);
  trace(names());
  task.get();
  trace(names());
}

SCENARIO(task_found_among_all_is_cancelled) {
  auto task = weft::spawn({.name = "a"}, [] { overlong("a", 1); });
  turns(1);
  for (const weft::TaskInfo& found : weft::all_tasks()) {
    if (found.name() == "a") {
      trace("found", found.id() == task.id(), "cancel", found.cancel(), "done", found.done());
    }
  }
  attempt("task", [&] { task.get(); });
}

SCENARIO(task_knows_itself) {
  std::vector<weft::Task<void>> tasks;

  const auto child = [&] {
    trace("child", weft::this_task::name(), weft::this_task::id() == tasks[0].id());
    ticks(1);
    trace("child", weft::this_task::name(), weft::this_task::id() == tasks[0].id());
  };
  tasks.push_back(weft::spawn({.name = "a"}, child));
  turns(1);
  trace("parent is another", weft::this_task::id() != tasks[0].id());
  tasks[0].get();
}

}  // namespace parity
