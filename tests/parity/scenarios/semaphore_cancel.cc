// Cancelled while it waits for a permit, has just been given one, or has it. Each scenario does
// what its namesake in semaphore_cancel.py does.

#include "parity/lock_cast.h"

namespace parity {

using cast::at_once;
using cast::block_until;
using cast::cancel;
using cast::child;
using cast::each_ends;
using cast::holds;
using cast::line;
using cast::passed;
using cast::start_holder;
using cast::start_taker;
using cast::takers;
using cast::takes;
using cast::Task;
using cast::timeout;
using weft::BoundedSemaphore;
using weft::Semaphore;

namespace {

void trace_two_at_once(Semaphore& semaphore) {
  const bool first = at_once(semaphore);
  trace("at once", first, at_once(semaphore));
}

}  // namespace

// ---- Before, at and after a permit is given.

SCENARIO(cancelled_waiter_is_told_at_once_and_the_others_keep_their_order) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b", "c"});
  cancel(tasks[1]);
  each_ends(tasks[1]);
  for (const std::size_t number : {0, 2}) {
    semaphore.release();
    each_ends(tasks[number]);
  }
}

SCENARIO(cancelled_before_the_release_the_next_one_gets_it) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b"});
  cancel(tasks[0]);
  semaphore.release();
  each_ends(tasks);
  trace("at once", at_once(semaphore));
}

SCENARIO(cancelled_after_the_release_passes_it_on) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b"});
  semaphore.release();
  cancel(tasks[0]);
  trace("at once", at_once(semaphore));
  each_ends(tasks);
  trace("at once", at_once(semaphore));
}

SCENARIO(cancelled_after_the_release_leaves_it_free_if_nobody_waits) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a"});
  semaphore.release();
  cancel(tasks[0]);
  trace("at once", at_once(semaphore));
  each_ends(tasks);
  trace_two_at_once(semaphore);
}

SCENARIO(free_at_once_if_all_who_waited_are_cancelled) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b"});
  for (Task& task : tasks) cancel(task);
  semaphore.release();
  trace_two_at_once(semaphore);
  each_ends(tasks);
}

SCENARIO(one_of_two_who_were_given_one_passes_it_on) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b", "c", "d"});
  semaphore.release(2);
  cancel(tasks[0]);
  turns(3);
  trace("done", tasks[2].done(), tasks[3].done());
  semaphore.release();
  each_ends(tasks);
}

SCENARIO(all_who_were_given_one_are_cancelled) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b", "c"});
  semaphore.release(2);
  cancel(tasks[0]);
  cancel(tasks[1]);
  each_ends(tasks);
  trace_two_at_once(semaphore);
}

SCENARIO(woken_task_cancels_the_next_one_woken) {
  Semaphore semaphore(0);
  std::vector<Task> tasks;
  const auto cancels_the_next = [&] {
    takes(semaphore, "a");
    cancel(tasks[1]);
  };
  tasks.push_back(weft::spawn({.name = "a"}, cancels_the_next));
  for (Task& task : takers(semaphore, {"b", "c"})) tasks.push_back(std::move(task));
  semaphore.release(2);
  each_ends(tasks);
}

SCENARIO(passed_on_to_who_comes_before_the_cancelled_one_runs) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a"});
  tasks.push_back(start_taker(semaphore, "early"));
  semaphore.release();
  cancel(tasks[0]);
  tasks.push_back(start_holder(semaphore, "late", 0));
  turns(3);
  trace("gives it back");
  semaphore.release();
  each_ends(tasks);
}

SCENARIO(many_come_and_go) {
  Semaphore semaphore(3);
  std::vector<std::string> names, left;
  for (int number = 0; number < 16; ++number) names.push_back(text(number));
  auto tasks = line(semaphore, names);
  for (const std::size_t number : {15, 1, 4, 8, 7, 10}) {
    cancel(tasks[number]);
    turns(1);
  }
  each_ends(tasks);
  for (int i = 0; i < 4; ++i) left.push_back(text(at_once(semaphore)));
  trace("left", left);
}

SCENARIO(bounded_takes_no_more_after_a_permit_was_passed_on) {
  BoundedSemaphore semaphore(1);
  const auto release = [&] { semaphore.release(); };
  takes(semaphore, "main");
  auto tasks = takers(semaphore, {"a", "b"});
  attempt("release", release);
  cancel(tasks[0]);
  each_ends(tasks);
  for (int i = 0; i < 2; ++i) attempt("release", release);
}

// ---- Who asks, and what it does then.

SCENARIO(cancelled_holder_gives_it_back_when_it_has_cleaned_up) {
  Semaphore semaphore(1);
  const auto cleans_up = [&] {
    const auto permit = semaphore.hold();
    try {
      ticks(9);
    } catch (const weft::Cancelled&) {
      child("cleanup", 2)();
      throw;
    }
  };
  const auto begin = now();
  auto holder = weft::spawn({.name = "holder"}, cleans_up);
  auto next = start_holder(semaphore, "next", 0);
  ticks(1);
  cancel(holder);
  each_ends(next, holder);
  trace("ticks", passed(begin));
}

SCENARIO(request_of_before_is_told_by_the_wait_and_not_by_a_free_permit) {
  Semaphore semaphore(1);
  const auto cancels_itself = [&] {
    trace("cancel", weft::this_task::cancel());
    takes(semaphore, "first");
    takes(semaphore, "second");
  };
  auto task = weft::spawn({.name = "task"}, cancels_itself);
  each_ends(task);
  semaphore.release();
  trace_two_at_once(semaphore);
}

SCENARIO(who_swallows_the_request_and_comes_again_stands_at_the_end) {
  Semaphore semaphore(0);
  const auto persists = [&] {
    attempt("first", [&] { takes(semaphore, "first"); });
    attempt("second", [&] { takes(semaphore, "second"); });
  };
  auto task = weft::spawn({.name = "task"}, persists);
  auto tasks = takers(semaphore, {"a", "b"});
  semaphore.release();
  cancel(task);
  for (int i = 0; i < 2; ++i) {
    turns(2);
    trace("release");
    semaphore.release();
  }
  each_ends(tasks);
  each_ends(task);
}

SCENARIO(limit_passes_while_it_waits) {
  Semaphore semaphore(1);
  const auto begin = now();
  auto holder = start_holder(semaphore, "holder", 4);
  const auto impatient = [&] {
    attempt("limit", [&] { timeout(2, [&] { holds(semaphore, "impatient", 0); }); });
    trace("ticks", passed(begin), "cancelling", weft::this_task::cancelling());
    attempt("limit", [&] { timeout(9, [&] { holds(semaphore, "again", 0); }); });
  };
  auto task = weft::spawn({.name = "impatient"}, impatient);
  ticks(1);
  auto late = start_holder(semaphore, "late", 1);
  each_ends(task, holder, late);
}

SCENARIO(limit_that_nobody_has_noticed_does_not_take_the_permit_back) {
  Semaphore semaphore(0);
  const auto impatient = [&] {
    attempt("limit", [&] { timeout(0.4, [&] { takes(semaphore, "impatient"); }); });
  };
  auto task = weft::spawn({.name = "impatient"}, impatient);
  turns(1);
  block_until(now() + span(0.42));
  semaphore.release();
  each_ends(task);
  trace("at once", at_once(semaphore));
}

}  // namespace parity
