// A lock, which is handed over in the order of arrival. More about it is in lock_cancel.cc. Each
// scenario does what its namesake in lock.py does.

#include "parity/lock_cast.h"

namespace parity {

using cast::at_once;
using cast::each_ends;
using cast::Held;
using cast::holds;
using cast::line;
using cast::Lock;
using cast::passed;
using cast::start_holder;
using cast::Task;
using cast::timeout;

SCENARIO(handed_over_in_the_order_of_arrival) {
  Lock lock;
  const auto begin = now();
  std::vector tasks{start_holder(lock, "a", 2), start_holder(lock, "b", 0),
                    start_holder(lock, "c", 1), start_holder(lock, "d", 0)};
  each_ends(tasks);
  trace("ticks", passed(begin));
}

SCENARIO(free_lock_is_had_without_a_turn) {
  Lock lock;
  auto task = weft::spawn({.name = "other"}, [] { trace("other runs"); });
  for (int number = 0; number < 2; ++number) {
    const Held held(lock);
    trace("main has it", number);
  }
  holds(lock, "main", 0);
  each_ends(task);
}

SCENARIO(lock_is_not_recursive) {
  Lock lock;
  const auto twice = [&] {
    const Held held(lock);
    trace("once");
    holds(lock, "twice", 0);
  };
  attempt("main", [&] { timeout(1, twice); });
  trace("free", at_once(lock));
  lock.unlock();
}

SCENARIO(failing_body_gives_it_back) {
  Lock lock;
  const auto fails = [&] {
    const Held held(lock);
    ticks(1);
    trace("fails");
    throw Failure("a");
  };
  auto failing = weft::spawn({.name = "failing"}, fails);
  auto next = start_holder(lock, "next", 0);
  each_ends(failing, next);
}

SCENARIO(two_locks_in_opposite_order_are_ended_by_a_limit) {
  Lock left, right;
  const auto both = [](const char* name, Lock& first, Lock& second) {
    const Held held(first);
    trace(name, "has the first");
    ticks(1);
    holds(second, name, 1);
  };
  const auto impatient = [&] {
    attempt("limit", [&] { timeout(3, [&] { both("impatient", left, right); }); });
  };
  std::vector<Task> tasks{weft::spawn({.name = "impatient"}, impatient),
                          weft::spawn({.name = "patient"}, [&] { both("patient", right, left); })};
  each_ends(tasks);
}

// ---- Nobody overtakes.

SCENARIO(who_unlocks_and_locks_again_stands_at_the_end) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a", "b"});
  trace("main unlocks");
  lock.unlock();
  holds(lock, "main", 0);
  each_ends(tasks);
}

SCENARIO(two_in_a_loop_take_turns) {
  Lock lock;
  const auto loops = [&](const char* name) {
    return [&lock, name] {
      for (int number = 0; number < 3; ++number) {
        const Held held(lock);
        trace(name, number);
        turns(1);
      }
    };
  };
  std::vector<Task> tasks{weft::spawn({.name = "a"}, loops("a")),
                          weft::spawn({.name = "b"}, loops("b"))};
  each_ends(tasks);
}

SCENARIO(who_runs_before_the_next_one_does_not_overtake_it) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a"});
  const auto early = [&] {
    trace("early comes");
    holds(lock, "early", 0);
  };
  tasks.push_back(weft::spawn({.name = "early"}, early));
  lock.unlock();
  each_ends(tasks);
}

SCENARIO(who_comes_while_it_is_free_for_a_moment_overtakes_nobody) {
  Lock lock;
  std::vector<Task> tasks;
  const auto start = [&](const char* name) {
    const auto gives_back_at_once = [&lock, name] {
      const Held held(lock);
      trace(name);
    };
    tasks.push_back(weft::spawn({.name = name}, gives_back_at_once));
  };
  lock.lock();
  for (const char* name : {"a", "b", "c"}) start(name);
  turns(1);
  lock.unlock();
  start("late");
  each_ends(tasks);
}

// ---- Without waiting.

SCENARIO(refused_at_once_does_not_stand_in_line) {
  Lock lock;
  auto holder = start_holder(lock, "holder", 2), next = start_holder(lock, "next", 1);
  for (int i = 0; i < 4; ++i) {
    ticks(0.9);
    trace("at once", at_once(lock));
  }
  each_ends(holder, next);
  lock.unlock();
}

SCENARIO(refused_at_once_between_the_hand_over_and_the_next_ones_turn) {
  Lock lock;
  lock.lock();
  auto tasks = line(lock, {"a"});
  lock.unlock();
  trace("at once", at_once(lock));
  turns(1);
  trace("at once", at_once(lock));
  each_ends(tasks);
  trace("at once", at_once(lock));
  lock.unlock();
}

}  // namespace parity
