// Permits, which are served in the order of arrival. More about them is in semaphore_cancel.cc.
// Each scenario does what its namesake in semaphore.py does.

#include <deque>

#include "parity/lock_cast.h"

namespace parity {

using cast::at_once;
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

bool locked(const Semaphore& semaphore) { return semaphore.available() == 0; }

}  // namespace

SCENARIO(no_more_at_a_time_than_there_are_permits) {
  Semaphore semaphore(2);
  const auto begin = now();
  std::vector tasks{start_holder(semaphore, "a", 3), start_holder(semaphore, "b", 1),
                    start_holder(semaphore, "c", 1), start_holder(semaphore, "d", 4),
                    start_holder(semaphore, "e", 0)};
  each_ends(tasks);
  trace("ticks", passed(begin));
}

SCENARIO(free_permit_is_had_without_a_turn) {
  Semaphore semaphore(2);
  auto other = start_taker(semaphore, "other");
  takes(semaphore, "main");
  semaphore.release();
  takes(semaphore, "main");
  each_ends(other);
}

SCENARIO(failing_body_gives_it_back) {
  Semaphore semaphore(1);
  const auto fails = [&] {
    const auto permit = semaphore.hold();
    ticks(1);
    trace("fails");
    throw Failure("a");
  };
  auto failing = weft::spawn({.name = "failing"}, fails);
  auto next = start_holder(semaphore, "next", 0);
  each_ends(failing, next);
}

SCENARIO(none_at_the_beginning_is_a_signal) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b"});
  for (int i = 0; i < 2; ++i) {
    ticks(1);
    trace("release", at_once(semaphore));
    semaphore.release();
  }
  each_ends(tasks);
}

SCENARIO(permits_are_kept_until_somebody_comes) {
  Semaphore semaphore(0);
  semaphore.release(3);
  trace("locked", locked(semaphore));
  auto tasks = takers(semaphore, {"a", "b", "c", "d"});
  trace("locked", locked(semaphore));
  semaphore.release();
  each_ends(tasks);
}

SCENARIO(given_back_by_another_task) {
  Semaphore semaphore(1);
  auto tasks = takers(semaphore, {"taker", "next"});
  const auto gives_back = [&] {
    trace("gives it back");
    semaphore.release();
  };
  each_ends(tasks[0]);
  auto other = weft::spawn({.name = "other"}, gives_back);
  each_ends(other, tasks[1]);
}

SCENARIO(given_back_when_a_task_has_ended) {
  Semaphore semaphore(1);
  auto task = start_taker(semaphore, "task");
  const auto callback = task.add_done_callback([&](const auto&) { semaphore.release(); });
  auto tasks = line(semaphore, {"a", "b"});
  each_ends(task);
  each_ends(tasks);
}

SCENARIO(given_back_by_a_thread) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b"});
  weft::to_thread([&] { semaphore.release(2); });
  each_ends(tasks);
}

SCENARIO(two_semaphores_bound_a_buffer) {
  Semaphore room(2), items(0);
  std::deque<int> buffer;
  const auto puts = [&] {
    for (int number = 0; number < 4; ++number) {
      room.acquire();
      buffer.push_back(number);
      trace("put", number, "of", buffer.size());
      items.release();
    }
  };
  const auto gets = [&] {
    for (int i = 0; i < 4; ++i) {
      items.acquire();
      trace("got", buffer.front(), "of", buffer.size());
      buffer.pop_front();
      room.release();
      ticks(1);
    }
  };
  std::vector<Task> tasks{weft::spawn({.name = "gets"}, gets), weft::spawn({.name = "puts"}, puts)};
  each_ends(tasks);
}

// ---- In the order of arrival.

SCENARIO(several_released_in_one_turn_wake_as_many) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a", "b", "c", "d", "e"});
  for (const int count : {2, 0, 1}) {
    trace("release", count);
    semaphore.release(static_cast<std::size_t>(count));
    turns(2);
  }
  semaphore.release(9);
  each_ends(tasks);
  std::vector<std::string> left;
  for (int i = 0; i < 8; ++i) left.push_back(text(at_once(semaphore)));
  trace("left", left);
}

SCENARIO(who_gives_one_back_and_takes_one_again_stands_at_the_end) {
  Semaphore semaphore(1);
  takes(semaphore, "main");
  auto tasks = line(semaphore, {"a", "b"});
  semaphore.release();
  takes(semaphore, "main again");
  each_ends(tasks);
}

SCENARIO(who_runs_before_the_next_one_does_not_overtake_it) {
  Semaphore semaphore(0);
  auto tasks = line(semaphore, {"a"});
  const auto early = [&] {
    trace("early comes");
    takes(semaphore, "early");
  };
  tasks.push_back(weft::spawn({.name = "early"}, early));
  semaphore.release();
  each_ends(tasks);
}

SCENARIO(who_wants_two_takes_them_one_by_one) {
  Semaphore semaphore(2);
  const auto wants_two = [&] {
    takes(semaphore, "first of two");
    takes(semaphore, "second of two");
  };
  std::vector<Task> tasks{start_holder(semaphore, "a", 2), weft::spawn({.name = "two"}, wants_two)};
  turns(1);
  tasks.push_back(start_taker(semaphore, "late"));
  ticks(3);
  semaphore.release();
  each_ends(tasks);
}

SCENARIO(two_who_want_two_of_two_are_ended_by_a_limit) {
  Semaphore semaphore(2);
  const auto wants_two = [&](const char* name) {
    const auto permit = semaphore.hold();
    trace(name, "has one");
    ticks(1);
    holds(semaphore, name, 1);
  };
  const auto impatient = [&] {
    attempt("limit", [&] { timeout(3, [&] { wants_two("impatient"); }); });
  };
  std::vector<Task> tasks{weft::spawn({.name = "impatient"}, impatient),
                          weft::spawn({.name = "patient"}, [&] { wants_two("patient"); })};
  each_ends(tasks);
}

SCENARIO(permit_that_is_left_over_is_free_at_once) {
  Semaphore semaphore(0);
  auto tasks = takers(semaphore, {"a"});
  semaphore.release(2);
  trace("at once", at_once(semaphore));
  each_ends(tasks);
}

SCENARIO(refused_at_once_while_others_wait_or_are_about_to_have_it) {
  Semaphore semaphore(1);
  takes(semaphore, "main");
  auto tasks = line(semaphore, {"a"});
  trace("at once", at_once(semaphore), "locked", locked(semaphore));
  semaphore.release();
  trace("at once", at_once(semaphore), "locked", locked(semaphore));
  turns(1);
  trace("at once", at_once(semaphore), "locked", locked(semaphore));
  each_ends(tasks);
  const bool after = locked(semaphore);
  trace("locked", after, "at once", at_once(semaphore));
}

// ---- Bounded, and misuse.

SCENARIO(bounded_refuses_one_too_many_and_is_as_before) {
  BoundedSemaphore semaphore(2);
  const auto release = [&] { semaphore.release(); };
  attempt("release", release);
  takes(semaphore, "main");
  attempt("release", release);
  attempt("release", release);
  auto tasks = takers(semaphore, {"a", "b", "c"});
  attempt("release", release);
  each_ends(tasks);
}

SCENARIO(bounded_of_none_refuses_all) {
  BoundedSemaphore semaphore(0);
  trace("locked", locked(semaphore), "at once", at_once(semaphore));
  attempt("release", [&] { semaphore.release(); });
  attempt("main", [&] { timeout(1, [&] { takes(semaphore, "main"); }); });
}

SCENARIO(bounded_counts_a_permit_that_is_handed_over_as_taken) {
  BoundedSemaphore semaphore(1);
  takes(semaphore, "main");
  auto tasks = takers(semaphore, {"a"});
  for (const char* name : {"release", "release again", "and again"}) {
    attempt(name, [&] { semaphore.release(); });
  }
  each_ends(tasks);
  const bool first = at_once(semaphore);
  trace("at once", first, at_once(semaphore));
}

SCENARIO(body_that_gave_its_bounded_permit_back_is_left_by_misuse) {
  BoundedSemaphore semaphore(1);
  const auto gives_it_back_itself = [&] {
    semaphore.acquire();
    semaphore.release();
    semaphore.release();
  };
  attempt("main", gives_it_back_itself);
  const bool first = at_once(semaphore);
  trace("at once", first, at_once(semaphore));
}

SCENARIO(impossible_number_of_permits_is_misuse) {
  attempt("semaphore", [] { Semaphore(Semaphore::kMost + 1); });
  attempt("bounded", [] { BoundedSemaphore(Semaphore::kMost + 1); });
}

}  // namespace parity
