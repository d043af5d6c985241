// Cancelled, or out of time, while it waits for an item, for room, or for work to be done. Each
// scenario does what its namesake in queue_cancel.py does.

#include "parity/queue_cast.h"

#include <functional>
#include <initializer_list>

namespace parity {

using cast::cancel;
using cast::each_ends;
using cast::gets;
using cast::joins;
using cast::look;
using cast::passed;
using cast::puts;
using cast::start_get;
using cast::start_join;
using cast::start_put;
using cast::Task;
using cast::timeout;
using cast::try_get;
using cast::try_put;
using weft::LifoQueue;
using weft::PriorityQueue;
using weft::Queue;

namespace {

template <class Q>
std::vector<Task> getters(Q& queue, std::initializer_list<const char*> names) {
  std::vector<Task> tasks;
  for (const char* name : names) tasks.push_back(start_get(queue, name));
  return tasks;
}

template <class Q>
std::vector<Task> putters(Q& queue, std::initializer_list<int> items) {
  std::vector<Task> tasks;
  for (const int item : items) tasks.push_back(start_put(queue, item));
  return tasks;
}

/// Holds its only item, 0.
template <class Q = Queue<int>>
struct Full : Q {
  Full() : Q(1) { this->put(0); }
};

}  // namespace

// ---- Getters.

SCENARIO(cancelled_getter_takes_nothing) {
  Queue<int> queue;
  auto task = start_get(queue, "getter");
  ticks(1);
  cancel(task);
  each_ends(task);
  try_put(queue, 1);
  turns(2);
  look(queue);
}

SCENARIO(getter_cancelled_right_before_the_put_leaves_it_to_the_next) {
  Queue<int> queue;
  auto tasks = getters(queue, {"leaves", "next"});
  ticks(1);
  cancel(tasks[0]);
  try_put(queue, 1);
  each_ends(tasks);
}

SCENARIO(getter_cancelled_when_just_woken_passes_the_item_on) {
  Queue<int> queue;
  auto tasks = getters(queue, {"leaves", "next", "last"});
  ticks(1);
  try_put(queue, 1);
  cancel(tasks[0]);
  turns(3);
  try_put(queue, 2);
  each_ends(tasks);
}

SCENARIO(getter_cancelled_when_just_woken_leaves_the_item_in_the_queue) {
  Queue<int> queue;
  auto task = start_get(queue, "leaves");
  ticks(1);
  try_put(queue, 1);
  cancel(task);
  each_ends(task);
  look(queue);
  gets(queue, "main");
}

SCENARIO(two_getters_cancelled_when_just_woken_leave_one_each) {
  LifoQueue<int> queue;
  auto tasks = getters(queue, {"a", "b", "c"});
  ticks(1);
  for (const int item : {1, 2}) try_put(queue, item);
  for (const int leaves : {0, 1}) cancel(tasks[leaves]);
  each_ends(tasks);
  look(queue);
}

SCENARIO(getter_that_swallows_it_waits_anew_behind_the_others) {
  Queue<int> queue;
  const auto stays = [&] {
    attempt("first", [&] { gets(queue, "stays"); });
    gets(queue, "stays");
  };
  std::vector<Task> tasks{weft::spawn({.name = "stays"}, stays), start_get(queue, "other")};
  ticks(1);
  cancel(tasks[0]);
  turns(2);
  for (const int item : {1, 2}) try_put(queue, item);
  each_ends(tasks);
}

SCENARIO(getter_that_swallows_it_when_just_woken_takes_the_item_itself) {
  Queue<int> queue;
  const auto stays = [&] {
    attempt("first", [&] { gets(queue, "stays"); });
    gets(queue, "stays");
  };
  std::vector<Task> tasks{weft::spawn({.name = "stays"}, stays), start_get(queue, "next"),
                          start_get(queue, "last")};
  ticks(1);
  try_put(queue, 1);
  cancel(tasks[0]);
  turns(3);
  for (const int item : {2, 3}) try_put(queue, item);
  each_ends(tasks);
}

SCENARIO(getter_cancelled_once_it_has_its_item) {
  Queue<int> queue;
  const auto gets_and_sleeps = [&] {
    gets(queue, "getter");
    attempt("sleep", [] { ticks(9); });
  };
  auto task = weft::spawn({.name = "getter"}, gets_and_sleeps);
  ticks(1);
  try_put(queue, 1);
  turns(1);
  cancel(task);
  each_ends(task);
  look(queue);
}

// ---- Putters.

SCENARIO(cancelled_putter_puts_nothing) {
  Full queue;
  auto task = start_put(queue, 1);
  ticks(1);
  cancel(task);
  each_ends(task);
  for (int i = 0; i < 2; ++i) try_get(queue);
  turns(2);
  look(queue);
}

SCENARIO(putter_cancelled_right_before_the_get_leaves_the_room_to_the_next) {
  Full queue;
  auto tasks = putters(queue, {1, 2});
  ticks(1);
  cancel(tasks[0]);
  try_get(queue);
  each_ends(tasks);
}

SCENARIO(putter_cancelled_when_just_woken_passes_the_room_on) {
  Full queue;
  auto tasks = putters(queue, {1, 2, 3});
  ticks(1);
  try_get(queue);
  cancel(tasks[0]);
  turns(3);
  try_get(queue);
  each_ends(tasks);
}

SCENARIO(putter_cancelled_when_just_woken_leaves_the_room_free) {
  Full<PriorityQueue<int>> queue;
  auto task = start_put(queue, 1);
  ticks(1);
  try_get(queue);
  cancel(task);
  each_ends(task);
  look(queue);
  try_put(queue, 2);
}

SCENARIO(what_a_cancelled_producer_has_put_remains) {
  Queue<int> queue(2);
  const auto produces = [&] {
    for (int item = 0; item < 9; ++item) puts(queue, item);
  };
  auto task = weft::spawn({.name = "producer"}, produces);
  turns(2);
  gets(queue, "main");
  turns(2);
  cancel(task);
  each_ends(task);
  for (int i = 0; i < 3; ++i) try_get(queue);
}

// ---- Requests of before, and limits of time.

SCENARIO(request_of_before_is_told_only_by_what_suspends) {
  Queue<int> queue(1);
  const auto cancels_itself = [&](const std::string& name, const std::function<void()>& does) {
    auto task = weft::spawn({.name = "task"}, [&] {
      weft::this_task::cancel();
      attempt(name, does);
      attempt(name + " sleeps", [] { ticks(1); });
    });
    each_ends(task);
    look(queue);
  };
  cancels_itself("empty", [&] { gets(queue, "getter"); });
  cancels_itself("room", [&] { puts(queue, 1); });
  cancels_itself("full", [&] { puts(queue, 2); });
  cancels_itself("item", [&] { gets(queue, "getter"); });
}

SCENARIO(limit_of_time_to_get) {
  Queue<int> queue;
  const auto begin = now();
  attempt("impatient", [&] { timeout(2, [&] { gets(queue, "impatient"); }); });
  trace("ticks", passed(begin));
  try_put(queue, 1);
  attempt("again", [&] { timeout(2, [&] { gets(queue, "again"); }); });
}

SCENARIO(limit_of_time_to_put) {
  Full queue;
  const auto begin = now();
  attempt("impatient", [&] { timeout(2, [&] { puts(queue, 1); }); });
  trace("ticks", passed(begin));
  auto task = start_get(queue, "getter");
  attempt("again", [&] { timeout(2, [&] { puts(queue, 2); }); });
  each_ends(task);
  look(queue);
}

SCENARIO(limit_of_nothing_gets_only_what_is_there) {
  Queue<int> queue;
  attempt("empty", [&] { timeout(0, [&] { gets(queue, "main"); }); });
  try_put(queue, 1);
  attempt("item", [&] { timeout(0, [&] { gets(queue, "main"); }); });
}

SCENARIO(limit_that_passes_leaves_the_next_item_to_the_others) {
  Queue<int> queue;
  const auto impatient = [&] {
    attempt("impatient", [&] { timeout(2, [&] { gets(queue, "impatient"); }); });
  };
  std::vector<Task> tasks{weft::spawn({.name = "impatient"}, impatient),
                          start_get(queue, "patient")};
  ticks(3);
  try_put(queue, 1);
  each_ends(tasks);
}

SCENARIO(item_put_before_the_limit_is_noticed_is_got) {
  Queue<int> queue;
  const auto impatient = [&] {
    attempt("impatient", [&] { timeout(0.4, [&] { gets(queue, "impatient"); }); });
  };
  auto task = weft::spawn({.name = "task"}, impatient);
  turns(1);
  cast::block_until(now() + span(0.42));
  try_put(queue, 1);
  each_ends(task);
  look(queue);
}

SCENARIO(getter_cancelled_when_overtaken_costs_the_next_its_place) {
  Queue<int> queue;
  auto tasks = getters(queue, {"leaves", "next", "last"});
  ticks(1);
  try_put(queue, 1);
  try_get(queue);
  cancel(tasks[0]);
  turns(3);
  for (const int item : {2, 3}) {
    try_put(queue, item);
    turns(2);
  }
  each_ends(tasks);
}

// ---- Joiners.

SCENARIO(cancelled_joiner_leaves_the_others_waiting) {
  Full queue;
  std::vector tasks{start_join(queue, "leaves"), start_join(queue, "stays")};
  ticks(1);
  cancel(tasks[0]);
  each_ends(tasks[0]);
  trace("stays joined", tasks[1].done());
  attempt("done", [&] { queue.task_done(); });
  each_ends(tasks[1]);
}

SCENARIO(joiner_cancelled_when_all_has_just_been_done) {
  Full queue;
  std::vector tasks{start_join(queue, "leaves"), start_join(queue, "stays")};
  ticks(1);
  attempt("done", [&] { queue.task_done(); });
  cancel(tasks[0]);
  each_ends(tasks);
}

SCENARIO(limit_of_time_to_join) {
  Full queue;
  attempt("impatient", [&] { timeout(2, [&] { joins(queue, "impatient"); }); });
  attempt("done", [&] { queue.task_done(); });
  attempt("again", [&] { timeout(2, [&] { joins(queue, "again"); }); });
}

SCENARIO(consumer_that_is_cancelled_at_work_can_still_say_that_it_is_done) {
  Full queue;
  const auto works = [&] {
    gets(queue, "worker");
    try {
      ticks(9);
    } catch (const weft::Cancelled&) {
      attempt("done", [&] { queue.task_done(); });
      throw;
    }
  };
  auto worker = weft::spawn({.name = "worker"}, works);
  auto joiner = start_join(queue, "joiner");
  ticks(1);
  cancel(worker);
  each_ends(worker, joiner);
}

}  // namespace parity
