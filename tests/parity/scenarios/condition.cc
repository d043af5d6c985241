// Waiting for a change of what a lock protects. Each scenario does what its namesake in
// condition.py does.

#include "parity/condition_cast.h"

#include <deque>

namespace parity {

using cast::cancel;
using cast::Condition;
using cast::each_ends;
using cast::Held;
using cast::Lock;
using cast::notify;
using cast::passed;
using cast::start;
using cast::Task;
using cast::timeout;
using cast::waits;

namespace {

/// Has the lock for so many ticks.
void holds(Condition& condition, const std::string& name, double count) {
  const Held held(condition.lock);
  trace(name, "has the lock");
  ticks(count);
  trace(name, "gives it back");
}

Task start_holder(Condition& condition, const std::string& name, double count) {
  return weft::spawn({.name = name}, [&condition, name, count] { holds(condition, name, count); });
}

void notify_all(Condition& condition) {
  const Held held(condition.lock);
  trace("notify all");
  condition.changed.notify_all();
}

}  // namespace

// ---- Notifying.

SCENARIO(one_at_a_time_in_the_order_of_arrival) {
  Condition condition;
  std::vector tasks{start(condition, "a"), start(condition, "b"), start(condition, "c")};
  for (int i = 0; i < 3; ++i) {
    ticks(1);
    notify(condition, 1);
  }
  each_ends(tasks);
}

SCENARIO(notifies_as_many_as_it_is_told) {
  Condition condition;
  std::vector tasks{start(condition, "a"), start(condition, "b"), start(condition, "c")};
  for (const int count : {0, 2, 9}) {
    ticks(1);
    notify(condition, count);
  }
  each_ends(tasks);
}

SCENARIO(notifies_all) {
  Condition condition;
  std::vector<Task> tasks;
  for (int number = 0; number < 20; ++number) tasks.push_back(start(condition, text(number)));
  ticks(1);
  notify_all(condition);
  each_ends(tasks);
}

SCENARIO(who_comes_later_is_not_notified) {
  Condition condition;
  notify(condition, 1);
  notify_all(condition);
  attempt("main", [&] { timeout(1, [&] { waits(condition, "late"); }); });
}

SCENARIO(who_waits_again_at_once_is_not_notified_twice) {
  Condition condition;
  const auto twice = [&](const std::string& name) {
    return [&condition, name] {
      waits(condition, name);
      waits(condition, name + " again");
    };
  };
  std::vector<Task> tasks;
  for (const char* name : {"a", "b"}) tasks.push_back(weft::spawn({.name = name}, twice(name)));
  for (int i = 0; i < 2; ++i) {
    ticks(1);
    notify_all(condition);
    turns(4);
  }
  each_ends(tasks);
}

SCENARIO(notify_without_the_lock) {
  Condition condition;
  auto task = start(condition, "a");
  ticks(1);
  attempt("notify", [&] { condition.changed.notify_one(); });
  turns(2);
  if (!task.done()) notify(condition, 1);
  each_ends(task);
}

SCENARIO(wait_without_the_lock_is_misuse) {
  Condition condition;
  Held held(condition.lock, std::defer_lock);
  attempt("wait", [&] { condition.changed.wait(held); });
  attempt("wait until", [&] { condition.changed.wait(held, [] { return false; }); });
}

// ---- The lock meanwhile.

SCENARIO(wait_gives_the_lock_to_who_waits_for_it) {
  Condition condition;
  auto waiter = start(condition, "waiter");
  auto holder = start_holder(condition, "holder", 2);
  ticks(1);
  notify(condition, 1);
  each_ends(waiter, holder);
}

SCENARIO(notified_waits_until_the_notifier_gives_the_lock_back) {
  Condition condition;
  const auto begin = now();
  auto waiter = start(condition, "waiter");
  ticks(1);
  {
    const Held held(condition.lock);
    trace("notify");
    condition.notify(1);
    ticks(2);
    trace("gives it back", "waiter done", waiter.done());
  }
  each_ends(waiter);
  trace("ticks", passed(begin));
}

SCENARIO(notified_stands_behind_those_who_want_the_lock_already) {
  Condition condition;
  auto waiter = start(condition, "waiter");
  ticks(1);
  condition.lock.lock();
  auto holder = start_holder(condition, "holder", 1);
  ticks(1);
  condition.notify(1);
  turns(2);
  auto late = start_holder(condition, "late", 1);
  turns(2);
  condition.lock.unlock();
  each_ends(waiter, holder, late);
}

SCENARIO(two_conditions_share_a_lock) {
  Lock lock;
  weft::ConditionVariable item, room;
  std::deque<int> items;
  const auto puts = [&] {
    for (int number = 0; number < 4; ++number) {
      Held held(lock);
      room.wait(held, [&] { return items.size() < 2; });
      items.push_back(number);
      trace("put", number, "of", items.size());
      item.notify_one();
    }
  };
  const auto gets = [&] {
    for (int i = 0; i < 4; ++i) {
      {
        Held held(lock);
        item.wait(held, [&] { return !items.empty(); });
        trace("got", items.front(), "of", items.size());
        items.pop_front();
        room.notify_one();
      }
      ticks(1);
    }
  };
  std::vector<Task> tasks{weft::spawn({.name = "gets"}, gets), weft::spawn({.name = "puts"}, puts)};
  each_ends(tasks);
}

// ---- Until something holds.

SCENARIO(waits_until_it_holds) {
  Condition condition;
  int level = 0;
  const auto climbs = [&](const char* name, int least) {
    return [&, name, least] {
      Held held(condition.lock);
      const auto holds_now = [&] {
        trace(name, "looks", level, "locked", held.owns_lock());
        return level >= least;
      };
      condition.changed.wait(held, holds_now);
      trace(name, "goes on");
    };
  };
  std::vector<Task> tasks{weft::spawn({.name = "high"}, climbs("high", 3)),
                          weft::spawn({.name = "low"}, climbs("low", 1)),
                          weft::spawn({.name = "middle"}, climbs("middle", 2))};
  for (int i = 0; i < 3; ++i) {
    ticks(1);
    const Held held(condition.lock);
    ++level;
    condition.changed.notify_all();
  }
  each_ends(tasks);
}

SCENARIO(what_holds_already_is_not_waited_for) {
  Condition condition;
  const auto other = [] { trace("other runs"); };
  const auto waits_until = [&](const auto& holds_now) {
    Held held(condition.lock);
    condition.changed.wait(held, holds_now);
  };
  auto task = weft::spawn({.name = "task"}, other);
  attempt("main", [&] { waits_until([] { return true; }); });
  each_ends(task);
}

SCENARIO(predicate_that_fails_leaves_with_the_lock_held) {
  Condition condition;
  std::vector<std::size_t> looks;
  const auto fails = [&] {
    looks.push_back(looks.size());
    if (looks.size() == 2) throw Failure("a");
    return false;
  };
  const auto waits_until = [&] {
    Held held(condition.lock);
    try {
      condition.changed.wait(held, fails);
    } catch (...) {
      trace("looks", looks, "locked", held.owns_lock());
      throw;
    }
  };
  auto task = weft::spawn({.name = "task"}, waits_until);
  ticks(1);
  notify(condition, 1);
  each_ends(task);
  attempt("main", [&] { timeout(1, [&] { holds(condition, "main", 0.5); }); });
}

SCENARIO(cancelled_between_two_looks) {
  Condition condition;
  std::vector<std::size_t> looks;
  const auto never = [&] {
    looks.push_back(looks.size());
    return false;
  };
  const auto waits_until = [&] {
    Held held(condition.lock);
    condition.changed.wait(held, never);
  };
  auto task = weft::spawn({.name = "task"}, waits_until);
  ticks(1);
  notify(condition, 1);
  ticks(1);
  cancel(task);
  each_ends(task);
  trace("looks", looks);
}

// ---- Cancelled while it waits. More is in condition_cancel.cc.

SCENARIO(cancelled_has_the_lock_again_when_it_is_told) {
  Condition condition;
  std::vector tasks{start(condition, "a"), start(condition, "b"), start(condition, "c")};
  ticks(1);
  cancel(tasks[1]);
  each_ends(tasks[1]);
  notify(condition, 2);
  each_ends(tasks[0], tasks[2]);
}

SCENARIO(cancelled_is_told_only_when_the_lock_is_free) {
  Condition condition;
  const auto begin = now();
  auto waiter = start(condition, "waiter");
  ticks(1);
  auto holder = start_holder(condition, "holder", 3);
  ticks(1);
  cancel(waiter);
  each_ends(waiter);
  trace("ticks", passed(begin));
  each_ends(holder);
}

}  // namespace parity
