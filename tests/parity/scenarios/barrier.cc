// Parties that wait for each other, round after round. Each scenario does what its namesake in
// barrier.py does.

#include "parity/cast.h"

#include <initializer_list>

namespace parity {

using cast::cancel;
using cast::each_ends;
using cast::passed;
using cast::Task;
using cast::timeout;
using weft::Barrier;

namespace {

/// Waits once, and says how that ended.
void waits(Barrier& barrier, const std::string& name) {
  try {
    trace(name, "passes as", barrier.wait());
  } catch (const weft::BrokenBarrier&) {
    trace(name, "finds it broken");
  } catch (const weft::Cancelled& error) {
    trace(name, "caught", error);
    throw;
  }
}

Task start(Barrier& barrier, const std::string& name) {
  return weft::spawn({.name = name}, [&barrier, name] { waits(barrier, name); });
}

void start_into(std::vector<Task>& tasks, Barrier& barrier,
                std::initializer_list<const char*> names) {
  for (const char* name : names) tasks.push_back(start(barrier, name));
}

std::vector<Task> start_all(Barrier& barrier, std::initializer_list<const char*> names) {
  std::vector<Task> tasks;
  start_into(tasks, barrier, names);
  return tasks;
}

void waits_with_a_partner(Barrier& barrier) {
  auto partner = start(barrier, "partner");
  waits(barrier, "main");
  each_ends(partner);
}

Task start_canceller(Task& task) {
  return weft::spawn({.name = "canceller"}, [&task] { cancel(task); });
}

void look(const Barrier& barrier) {
  trace("waiting", barrier.waiting(), "broken", barrier.broken());
}

}  // namespace

// ---- Rounds.

SCENARIO(all_pass_when_the_last_has_come) {
  Barrier barrier(3);
  std::vector<Task> tasks;
  look(barrier);
  for (const char* name : {"a", "b", "c"}) {
    ticks(1);
    trace(name, "comes");
    tasks.push_back(start(barrier, name));
    turns(1);
    look(barrier);
  }
  each_ends(tasks);
}

SCENARIO(parties_are_as_many_as_it_was_made_for) {
  attempt("parties", [] { return Barrier(3).parties(); });
  attempt("none", [] { return Barrier(0).parties(); });
}

SCENARIO(the_last_to_come_goes_on_without_suspending) {
  const auto other = [] { trace("other runs"); };
  Barrier alone(1), pair(2);
  auto waiter = start(pair, "waiter");
  ticks(1);
  auto task = weft::spawn({.name = "task"}, other);
  waits(alone, "alone");
  waits(alone, "alone again");
  waits(pair, "last");
  each_ends(task, waiter);
}

SCENARIO(each_round_has_an_order_of_its_own) {
  Barrier barrier(3);
  const auto begin = now();
  const auto start_worker = [&](const std::string& name, const std::vector<int>& counts) {
    return weft::spawn({.name = name}, [&barrier, begin, name, counts] {
      for (const int count : counts) {
        ticks(count);
        trace(name, "at", passed(begin));
        waits(barrier, name);
      }
    });
  };
  std::vector<Task> tasks{start_worker("a", {1, 5, 3}), start_worker("b", {4, 1, 2}),
                          start_worker("c", {2, 3, 4})};
  each_ends(tasks);
}

SCENARIO(rounds_without_a_pause_do_not_mix) {
  Barrier barrier(3);
  std::vector<Task> tasks;
  for (const std::string name : {"a", "b", "c"}) {
    tasks.push_back(weft::spawn({.name = name}, [&barrier, name] {
      for (int number = 0; number < 4; ++number) waits(barrier, name + text(number));
    }));
  }
  each_ends(tasks);
  look(barrier);
}

SCENARIO(who_comes_while_it_drains_waits_for_the_next_round) {
  Barrier barrier(2);
  auto tasks = start_all(barrier, {"a"});
  ticks(1);
  start_into(tasks, barrier, {"b", "early", "too", "left over"});
  turns(1);
  look(barrier);
  turns(4);
  look(barrier);
  cancel(tasks.back());
  each_ends(tasks);
}

// ---- Cancelled.

SCENARIO(the_last_to_have_come_is_cancelled_and_its_place_taken) {
  Barrier barrier(3);
  auto first = start(barrier, "first"), leaves = start(barrier, "leaves");
  ticks(1);
  look(barrier);
  cancel(leaves);
  each_ends(leaves);
  look(barrier);
  auto tasks = start_all(barrier, {"next", "last"});
  each_ends(first);
  each_ends(tasks);
}

SCENARIO(places_are_counts_of_those_inside_when_an_earlier_one_was_cancelled) {
  Barrier barrier(3);
  auto leaves = start(barrier, "leaves"), stays = start(barrier, "stays");
  ticks(1);
  cancel(leaves);
  each_ends(leaves);
  auto tasks = start_all(barrier, {"next", "last"});
  each_ends(stays);
  each_ends(tasks);
}

SCENARIO(cancelled_still_counts_for_who_comes_in_the_same_turn) {
  Barrier barrier(2);
  auto leaves = start(barrier, "leaves");
  ticks(1);
  cancel(leaves);
  look(barrier);
  waits(barrier, "main");
  each_ends(leaves);
  look(barrier);
}

SCENARIO(cancelled_while_it_drains_lets_the_others_through) {
  Barrier barrier(3);
  auto leaves = start(barrier, "leaves"), stays = start(barrier, "stays");
  ticks(1);
  waits(barrier, "main");
  cancel(leaves);
  each_ends(leaves, stays);
  auto tasks = start_all(barrier, {"a", "b", "c"});
  each_ends(tasks);
}

SCENARIO(cancelled_as_the_last_to_leave_lets_the_next_round_begin) {
  Barrier barrier(2);
  auto tasks = start_all(barrier, {"leaves"});
  ticks(1);
  start_into(tasks, barrier, {"releases", "early", "too"});
  auto canceller = start_canceller(tasks[0]);
  each_ends(tasks);
  each_ends(canceller);
}

SCENARIO(early_comer_is_cancelled_while_it_drains) {
  Barrier barrier(2);
  auto tasks = start_all(barrier, {"waiter"});
  ticks(1);
  start_into(tasks, barrier, {"releases", "early", "too"});
  auto canceller = start_canceller(tasks[2]);
  turns(4);
  look(barrier);
  cancel(tasks[3]);
  each_ends(tasks);
  each_ends(canceller);
}

SCENARIO(request_of_before_is_told_by_a_wait_that_suspends) {
  Barrier barrier(2);
  const auto start_own_canceller = [&](const std::string& name) {
    return weft::spawn({.name = name}, [&barrier, name] {
      trace("cancel", weft::this_task::cancel());
      attempt(name, [&] { waits(barrier, name); });
      attempt(name + " sleeps", [] { ticks(1); });
    });
  };
  auto alone = start_own_canceller("alone");
  each_ends(alone);
  look(barrier);
  auto waiter = start(barrier, "waiter");
  ticks(1);
  auto last = start_own_canceller("last");
  each_ends(waiter, last);
}

SCENARIO(limit_of_time_takes_one_back) {
  Barrier barrier(2);
  const auto begin = now();
  attempt("impatient", [&] { timeout(2, [&] { waits(barrier, "impatient"); }); });
  trace("ticks", passed(begin));
  look(barrier);
  auto waiter = start(barrier, "waiter");
  ticks(1);
  attempt("in time", [&] { timeout(2, [&] { waits(barrier, "in time"); }); });
  each_ends(waiter);
}

// ---- Abort and reset.

SCENARIO(abort_tells_those_inside_and_those_who_come) {
  Barrier barrier(3);
  auto tasks = start_all(barrier, {"a", "b"});
  ticks(1);
  barrier.abort();
  trace("aborted");
  look(barrier);
  waits(barrier, "main");
  start_into(tasks, barrier, {"late"});
  each_ends(tasks);
  look(barrier);
}

SCENARIO(abort_does_not_suspend) {
  Barrier barrier(2);
  auto task = start(barrier, "task");
  ticks(1);
  barrier.abort();
  barrier.abort();
  trace("goes on");
  each_ends(task);
}

SCENARIO(abort_while_it_drains_reaches_those_still_inside) {
  Barrier barrier(3);
  auto tasks = start_all(barrier, {"a", "b"});
  ticks(1);
  waits(barrier, "main");
  start_into(tasks, barrier, {"early"});
  barrier.abort();
  look(barrier);
  each_ends(tasks);
  look(barrier);
}

SCENARIO(who_is_cancelled_and_aborted_is_cancelled) {
  Barrier barrier(3);
  auto tasks = start_all(barrier, {"a", "b"});
  ticks(1);
  cancel(tasks[0]);
  barrier.abort();
  cancel(tasks[1]);
  each_ends(tasks);
}

SCENARIO(reset_mends_what_was_broken) {
  Barrier barrier(2);
  barrier.abort();
  waits(barrier, "too soon");
  barrier.reset();
  look(barrier);
  auto tasks = start_all(barrier, {"a", "b"});
  each_ends(tasks);
}

SCENARIO(reset_with_nobody_inside_changes_nothing) {
  Barrier barrier(2);
  barrier.reset();
  auto tasks = start_all(barrier, {"a", "b"});
  each_ends(tasks);
  barrier.reset();
  look(barrier);
}

SCENARIO(reset_turns_out_those_inside_and_starts_anew) {
  Barrier barrier(3);
  auto tasks = start_all(barrier, {"a", "b"});
  ticks(1);
  barrier.reset();
  look(barrier);
  barrier.reset();
  start_into(tasks, barrier, {"c", "d", "e"});
  each_ends(tasks);
  look(barrier);
}

SCENARIO(who_comes_right_after_a_reset_waits_until_the_others_have_left) {
  Barrier barrier(2);
  auto task = start(barrier, "task");
  ticks(1);
  barrier.reset();
  waits_with_a_partner(barrier);
  each_ends(task);
}

SCENARIO(reset_while_it_drains_reaches_those_still_inside) {
  Barrier barrier(3);
  auto tasks = start_all(barrier, {"a", "b"});
  ticks(1);
  waits(barrier, "main");
  barrier.reset();
  start_into(tasks, barrier, {"c", "d", "e"});
  each_ends(tasks);
}

SCENARIO(reset_right_after_abort_leaves_it_whole) {
  Barrier barrier(2);
  auto task = start(barrier, "task");
  ticks(1);
  barrier.abort();
  barrier.reset();
  look(barrier);
  waits_with_a_partner(barrier);
  each_ends(task);
}

SCENARIO(abort_right_after_reset_leaves_it_broken) {
  Barrier barrier(2);
  auto task = start(barrier, "task");
  ticks(1);
  barrier.reset();
  barrier.abort();
  each_ends(task);
  look(barrier);
}

}  // namespace parity
