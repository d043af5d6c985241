// Cancelled while it waits for a lock, has just been handed it, or has it. Each scenario does what
// its namesake in lock_cancel.py does.

#include "parity/lock_cast.h"

namespace parity {

using cast::at_once;
using cast::block_until;
using cast::cancel;
using cast::child;
using cast::each_ends;
using cast::Held;
using cast::holds;
using cast::line;
using cast::Lock;
using cast::passed;
using cast::start_holder;
using cast::timeout;

// ---- Before, at and after the hand-over.

SCENARIO(cancelled_waiter_is_told_at_once_and_the_others_keep_their_order) {
  Lock lock;
  auto holder = start_holder(lock, "holder", 3);
  auto tasks = line(lock, {"a", "b", "c"});
  ticks(1);
  cancel(tasks[1]);
  each_ends(tasks[1]);
  each_ends(holder, tasks[0], tasks[2]);
}

SCENARIO(cancelled_before_the_hand_over_the_next_one_gets_it) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b"});
  cancel(tasks[0]);
  lock.unlock();
  each_ends(tasks);
}

SCENARIO(cancelled_after_the_hand_over_passes_it_on) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b"});
  lock.unlock();
  cancel(tasks[0]);
  trace("at once", at_once(lock));
  each_ends(tasks);
}

SCENARIO(cancelled_after_the_hand_over_leaves_it_free_if_nobody_waits) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a"});
  lock.unlock();
  cancel(tasks[0]);
  trace("at once", at_once(lock));
  each_ends(tasks);
  trace("at once", at_once(lock));
  lock.unlock();
}

SCENARIO(cancelled_on_both_sides_of_the_hand_over) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b", "c", "d"});
  cancel(tasks[0]);
  lock.unlock();
  cancel(tasks[1]);
  cancel(tasks[2]);
  each_ends(tasks);
}

SCENARIO(free_at_once_if_all_who_waited_are_cancelled) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b"});
  for (auto& task : tasks) cancel(task);
  lock.unlock();
  trace("at once", at_once(lock));
  each_ends(tasks);
  lock.unlock();
}

SCENARIO(passed_on_to_who_comes_before_the_cancelled_one_runs) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a"});
  tasks.push_back(start_holder(lock, "early", 0));
  lock.unlock();
  cancel(tasks[0]);
  tasks.push_back(start_holder(lock, "late", 0));
  each_ends(tasks);
}

SCENARIO(passed_on_by_one_after_the_other) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b", "c"});
  const auto cancels_the_next = [&] {
    turns(1);
    cancel(tasks[1]);
  };
  auto helper = weft::spawn({.name = "helper"}, cancels_the_next);
  turns(1);
  lock.unlock();
  cancel(tasks[0]);
  each_ends(helper);
  each_ends(tasks);
}

SCENARIO(many_of_those_in_line_are_cancelled) {
  Lock lock;
  std::vector<std::string> names;
  for (int number = 0; number < 12; ++number) names.push_back(text(number));
  lock.lock();
  auto tasks = line(lock, names);
  for (std::size_t number = 0; number < 12; number += 3) cancel(tasks[number]);
  turns(1);
  lock.unlock();
  for (std::size_t number = 1; number < 12; number += 3) {
    turns(1);
    cancel(tasks[number]);
  }
  each_ends(tasks);
}

SCENARIO(cancelled_head_of_the_line_does_not_delay_the_hand_over) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b"});
  cancel(tasks[0]);
  lock.unlock();
  tasks.push_back(weft::spawn({.name = "other"}, [] { trace("other runs"); }));
  each_ends(tasks);
}

// ---- Who asks, and what it does then.

SCENARIO(cancelled_holder_gives_it_back_when_it_has_cleaned_up) {
  Lock lock;
  const auto cleans_up = [&] {
    const Held held(lock);
    try {
      ticks(9);
    } catch (const weft::Cancelled&) {
      child("cleanup", 2)();
      throw;
    }
  };
  const auto begin = now();
  auto holder = weft::spawn({.name = "holder"}, cleans_up);
  auto next = start_holder(lock, "next", 0);
  ticks(1);
  cancel(holder);
  each_ends(next, holder);
  trace("ticks", passed(begin));
}

SCENARIO(request_of_before_is_told_by_the_wait_and_not_by_a_free_lock) {
  Lock free, held;
  auto holder = start_holder(held, "holder", 2);
  const auto cancels_itself = [&] {
    turns(1);
    trace("cancel", weft::this_task::cancel());
    const Held has_free(free);
    trace("has the free one");
    holds(held, "task", 0);
  };
  auto task = weft::spawn({.name = "task"}, cancels_itself);
  each_ends(task, holder);
  trace("at once", at_once(free), at_once(held));
  free.unlock();
  held.unlock();
}

SCENARIO(who_swallows_the_request_and_locks_again_stands_at_the_end) {
  Lock lock;
  lock.lock();
  const auto persists = [&] {
    attempt("first", [&] { holds(lock, "first", 0); });
    attempt("second", [&] { holds(lock, "second", 0); });
  };
  auto task = weft::spawn({.name = "task"}, persists);
  auto tasks = line(lock, {"a", "b"});
  cancel(task);
  turns(1);
  lock.unlock();
  each_ends(task);
  each_ends(tasks);
  trace("cancelling", task.cancelling());
}

SCENARIO(requests_in_one_turn_are_told_once) {
  Lock lock;
  lock.lock();
  const auto waits_and_sleeps = [&] {
    attempt("lock", [&] { holds(lock, "task", 0); });
    attempt("sleep", [] { ticks(1); });
  };
  auto task = weft::spawn({.name = "task"}, waits_and_sleeps);
  turns(1);
  for (int i = 0; i < 3; ++i) cancel(task);
  lock.unlock();
  each_ends(task);
  trace("cancelling", task.cancelling());
}

SCENARIO(limit_passes_while_it_waits) {
  Lock lock;
  const auto begin = now();
  auto holder = start_holder(lock, "holder", 4);
  const auto impatient = [&] {
    attempt("limit", [&] { timeout(2, [&] { holds(lock, "impatient", 0); }); });
    trace("ticks", passed(begin), "cancelling", weft::this_task::cancelling());
    holds(lock, "again", 0);
  };
  auto task = weft::spawn({.name = "impatient"}, impatient);
  ticks(1);
  auto late = start_holder(lock, "late", 1);
  each_ends(task, holder, late);
}

SCENARIO(limit_that_nobody_has_noticed_does_not_take_the_hand_over_back) {
  Lock lock;
  lock.lock();
  const auto takes_it = [&] {
    const Held held(lock);
    trace("has it");
  };
  const auto impatient = [&] { attempt("limit", [&] { timeout(0.4, takes_it); }); };
  auto task = weft::spawn({.name = "impatient"}, impatient);
  turns(1);
  block_until(now() + span(0.42));
  lock.unlock();
  each_ends(task);
  trace("at once", at_once(lock));
  lock.unlock();
}

}  // namespace parity
