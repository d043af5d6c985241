// A flag that tasks wait for. Each scenario does what its namesake in event.py does.

#include <array>

#include "parity/cast.h"

namespace parity {

using cast::block_until;
using cast::cancel;
using cast::each_ends;
using cast::passed;
using cast::Task;
using cast::timeout;
using weft::Event;

namespace {

/// Once, and says whether the flag is still up then.
void waits(Event& event, const std::string& name) {
  event.wait();
  trace(name, "goes on", "set", event.is_set());
}

Task start(Event& event, const std::string& name) {
  return weft::spawn({.name = name}, [&event, name] { waits(event, name); });
}

/// Those who wait for it, one behind the other.
std::vector<Task> line(Event& event, const std::vector<std::string>& names) {
  std::vector<Task> tasks;
  for (const std::string& name : names) tasks.push_back(start(event, name));
  turns(1);
  return tasks;
}

}  // namespace

// ---- Setting and clearing.

SCENARIO(wakes_all_in_the_order_of_arrival) {
  Event event;
  std::vector<std::string> names;
  for (int number = 0; number < 20; ++number) names.push_back(text(number));
  auto tasks = line(event, names);
  trace("set");
  event.set();
  trace("main goes on", event.is_set());
  each_ends(tasks);
}

SCENARIO(flag_that_is_up_is_not_waited_for) {
  Event event;
  event.set();
  auto other = start(event, "other");
  waits(event, "main");
  event.set();
  waits(event, "main again");
  each_ends(other);
}

SCENARIO(cleared_at_once_wakes_those_who_waited) {
  Event event;
  auto tasks = line(event, {"a", "b"});
  event.set();
  event.clear();
  auto late = start(event, "late");
  each_ends(tasks);
  turns(2);
  trace("late", late.done());
  event.set();
  each_ends(late);
}

SCENARIO(first_to_wake_clears_it_and_the_others_wake_all_the_same) {
  Event event;
  const auto clears = [&](const std::string& name) {
    return [&event, name] {
      waits(event, name);
      event.clear();
      waits(event, name + " again");
    };
  };
  std::vector<Task> tasks;
  for (const char* name : {"a", "b"}) tasks.push_back(weft::spawn({.name = name}, clears(name)));
  for (int i = 0; i < 2; ++i) {
    turns(3);
    trace("set", event.is_set());
    event.set();
  }
  each_ends(tasks);
}

SCENARIO(set_cleared_and_set_again_is_up_for_who_waits_again) {
  Event event;
  const auto twice = [&](const std::string& name) {
    return [&event, name] {
      waits(event, name);
      waits(event, name + " again");
    };
  };
  std::vector<Task> tasks;
  for (const char* name : {"a", "b"}) tasks.push_back(weft::spawn({.name = name}, twice(name)));
  turns(1);
  event.set();
  event.clear();
  event.set();
  each_ends(tasks);
}

SCENARIO(who_finds_it_up_goes_on_before_those_who_are_woken) {
  Event event;
  auto tasks = line(event, {"a"});
  tasks.push_back(start(event, "early"));
  event.set();
  waits(event, "main");
  each_ends(tasks);
}

SCENARIO(two_flags_pass_the_turn_to_and_fro) {
  Event ping, pong;
  const auto plays = [](const char* name, Event& mine, Event& other) {
    return [name, &mine, &other] {
      for (int number = 0; number < 3; ++number) {
        mine.wait();
        mine.clear();
        trace(name, number);
        other.set();
      }
    };
  };
  std::vector<Task> tasks{weft::spawn({.name = "ping"}, plays("ping", ping, pong)),
                          weft::spawn({.name = "pong"}, plays("pong", pong, ping))};
  turns(1);
  trace("set");
  ping.set();
  each_ends(tasks);
}

SCENARIO(woken_task_sets_the_next_flag) {
  std::array<Event, 3> events;
  const auto relays = [&](const std::string& name, std::size_t number) {
    return [&events, name, number] {
      waits(events.at(number), name);
      if (number + 1 < events.size()) events.at(number + 1).set();
    };
  };
  std::vector<Task> tasks;
  for (std::size_t number = 0; number < events.size(); ++number) {
    for (const char* letter : {"a ", "b "}) {
      const std::string name = letter + text(number);
      tasks.push_back(weft::spawn({.name = name}, relays(name, number)));
    }
  }
  turns(1);
  events[0].set();
  each_ends(tasks);
}

SCENARIO(set_when_a_task_has_ended) {
  Event event;
  auto task = weft::spawn({.name = "task"}, [] { ticks(1); });
  const auto callback = task.add_done_callback([&](const auto&) { event.set(); });
  auto tasks = line(event, {"a", "b"});
  each_ends(tasks);
  each_ends(task);
}

SCENARIO(set_by_a_thread) {
  Event event;
  auto tasks = line(event, {"a", "b"});
  weft::to_thread([&] { event.set(); });
  each_ends(tasks);
}

// ---- Cancelled while it waits.

SCENARIO(cancelled_waiter_is_told_at_once_and_the_others_wait_on) {
  Event event;
  auto tasks = line(event, {"a", "b", "c"});
  cancel(tasks[1]);
  each_ends(tasks[1]);
  event.set();
  each_ends(tasks[0], tasks[2]);
}

SCENARIO(cancelled_before_and_after_it_is_set) {
  Event event;
  auto tasks = line(event, {"a", "b", "c"});
  cancel(tasks[0]);
  event.set();
  cancel(tasks[1]);
  each_ends(tasks);
}

SCENARIO(woken_task_cancels_the_next) {
  Event event;
  std::vector<Task> tasks;
  const auto cancels = [&] {
    waits(event, "a");
    cancel(tasks[1]);
  };
  tasks.push_back(weft::spawn({.name = "a"}, cancels));
  for (Task& task : line(event, {"b", "c"})) tasks.push_back(std::move(task));
  event.set();
  each_ends(tasks);
}

SCENARIO(request_of_before_is_told_by_the_wait_and_not_by_a_flag_that_is_up) {
  Event up, down;
  up.set();
  const auto cancels_itself = [&] {
    trace("cancel", weft::this_task::cancel());
    waits(up, "up");
    waits(down, "down");
  };
  auto task = weft::spawn({.name = "task"}, cancels_itself);
  each_ends(task);
}

SCENARIO(who_swallows_the_request_and_waits_again_is_woken) {
  Event event;
  const auto persists = [&] {
    attempt("first", [&] { waits(event, "first"); });
    attempt("second", [&] { waits(event, "second"); });
  };
  auto task = weft::spawn({.name = "task"}, persists);
  auto tasks = line(event, {"a", "b"});
  cancel(task);
  turns(1);
  event.set();
  each_ends(task);
  each_ends(tasks);
}

SCENARIO(limit_passes_while_it_waits) {
  Event event;
  const auto begin = now();
  const auto impatient = [&] {
    for (const double limit : {1, 9}) {
      attempt("limit", [&] { timeout(limit, [&] { waits(event, "impatient"); }); });
      trace("ticks", passed(begin));
    }
  };
  auto task = weft::spawn({.name = "impatient"}, impatient);
  ticks(3);
  event.set();
  each_ends(task);
}

SCENARIO(limit_that_nobody_has_noticed_does_not_take_the_wake_up_back) {
  Event event;
  const auto impatient = [&] {
    attempt("limit", [&] { timeout(0.4, [&] { waits(event, "impatient"); }); });
  };
  auto task = weft::spawn({.name = "impatient"}, impatient);
  turns(1);
  block_until(now() + span(0.42));
  event.set();
  each_ends(task);
}

}  // namespace parity
