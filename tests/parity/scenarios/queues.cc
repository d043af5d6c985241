// Queues: order, room, hand-over, and work that is done. Each scenario does what its namesake in
// queues.py does.

#include "parity/queue_cast.h"

#include <tuple>

namespace parity {

using cast::cancel;
using cast::each_ends;
using cast::gets;
using cast::joins;
using cast::look;
using cast::puts;
using cast::start_get;
using cast::start_join;
using cast::start_put;
using cast::Task;
using cast::try_get;
using cast::try_put;
using weft::LifoQueue;
using weft::PriorityQueue;
using weft::Queue;

namespace {

Task start_other() {
  return weft::spawn({.name = "other"}, [] { trace("other runs"); });
}

/// All but the last two go in, then one comes out between the others.
template <class Q, class T>
void puts_and_gets(Q&& queue, const std::vector<T>& items) {
  const std::size_t first = items.size() - 2;
  for (std::size_t i = 0; i < first; ++i) puts(queue, items[i]);
  for (std::size_t i = first; i < items.size(); ++i) {
    gets(queue, "main");
    puts(queue, items[i]);
  }
  while (!queue.empty()) gets(queue, "main");
}

}  // namespace

// ---- The order of items.

SCENARIO(first_in_first_out) { puts_and_gets(Queue<int>(), std::vector{3, 1, 4, 5, 2}); }

SCENARIO(last_in_first_out) { puts_and_gets(LifoQueue<int>(), std::vector{3, 1, 4, 5, 2}); }

SCENARIO(least_first) { puts_and_gets(PriorityQueue<int>(), std::vector{3, 4, 1, 4, 2, 5, 1}); }

SCENARIO(pairs_come_by_their_first_and_then_their_second) {
  using Pair = std::tuple<int, std::string>;
  const std::vector<Pair> items{{2, "b"}, {1, "z"}, {2, "a"}, {0, "y"}, {1, "c"}};
  puts_and_gets(PriorityQueue<Pair>(), items);
}

// ---- What is seen from outside.

SCENARIO(state_of_one_with_a_limit) {
  Queue<int> queue(2);
  trace("maxsize", queue.maxsize());
  look(queue);
  for (const int item : {1, 2}) {
    puts(queue, item);
    look(queue);
  }
  for (int i = 0; i < 2; ++i) {
    gets(queue, "main");
    look(queue);
  }
}

SCENARIO(without_a_limit_it_is_never_full) {
  LifoQueue<int> queue;
  trace("maxsize", queue.maxsize());
  for (int item = 0; item < 100; ++item) (void)queue.try_put(item);
  look(queue);
  try_put(queue, 100);
  try_get(queue);
}

SCENARIO(neither_suspends_when_it_need_not) {
  Queue<int> queue(1);
  auto task = start_other();
  for (const int item : {1, 2}) {
    puts(queue, item);
    gets(queue, "main");
    queue.task_done();
  }
  joins(queue, "main");
  each_ends(task);
}

SCENARIO(try_says_whether_it_could) {
  Queue<int> queue(1);
  try_get(queue);
  try_put(queue, 1);
  try_put(queue, 2);
  try_get(queue);
  try_get(queue);
}

// ---- Getters and putters that wait.

SCENARIO(getters_are_served_in_the_order_of_arrival) {
  Queue<int> queue;
  std::vector tasks{start_get(queue, "a"), start_get(queue, "b"), start_get(queue, "c")};
  for (const int item : {1, 2, 3}) {
    ticks(1);
    try_put(queue, item);
  }
  each_ends(tasks);
}

SCENARIO(putters_are_served_in_the_order_of_arrival) {
  Queue<int> queue(1);
  try_put(queue, 0);
  std::vector tasks{start_put(queue, 1), start_put(queue, 2), start_put(queue, 3)};
  for (int i = 0; i < 4; ++i) {
    ticks(1);
    try_get(queue);
  }
  each_ends(tasks);
}

SCENARIO(getters_of_a_lifo_queue_wait_their_turn_all_the_same) {
  LifoQueue<int> queue;
  std::vector tasks{start_get(queue, "a"), start_get(queue, "b"), start_get(queue, "c")};
  turns(1);
  for (const int item : {1, 2, 3}) try_put(queue, item);
  each_ends(tasks);
}

SCENARIO(putter_of_a_lesser_item_does_not_overtake) {
  PriorityQueue<int> queue(1);
  try_put(queue, 5);
  std::vector tasks{start_put(queue, 9), start_put(queue, 1), start_put(queue, 4)};
  for (int i = 0; i < 4; ++i) {
    ticks(1);
    try_get(queue);
  }
  each_ends(tasks);
}

SCENARIO(woken_getter_takes_what_is_least_when_it_runs) {
  PriorityQueue<int> queue;
  auto task = start_get(queue, "getter");
  ticks(1);
  for (const int item : {5, 1, 3}) try_put(queue, item);
  each_ends(task);
}

SCENARIO(one_put_wakes_one_getter) {
  Queue<int> queue;
  std::vector tasks{start_get(queue, "a"), start_get(queue, "b"), start_get(queue, "c")};
  ticks(1);
  try_put(queue, 1);
  try_put(queue, 2);
  turns(3);
  std::vector<std::string> done;
  for (const Task& task : tasks) done.push_back(text(task.done()));
  trace("done", done);
  cancel(tasks[2]);
  each_ends(tasks);
}

SCENARIO(one_get_makes_room_for_one_putter) {
  Queue<int> queue(2);
  std::vector<Task> tasks;
  for (int item = 0; item < 5; ++item) tasks.push_back(start_put(queue, item));
  ticks(1);
  for (const int count : {1, 2}) {
    for (int i = 0; i < count; ++i) try_get(queue);
    look(queue);
    turns(2);
    look(queue);
  }
  each_ends(tasks);
}

SCENARIO(item_stays_in_the_queue_until_the_woken_getter_runs) {
  Queue<int> queue;
  auto task = start_get(queue, "getter");
  ticks(1);
  try_put(queue, 1);
  look(queue);
  turns(1);
  look(queue);
  each_ends(task);
}

SCENARIO(overtaken_getter_waits_anew_behind_the_others) {
  Queue<int> queue;
  std::vector tasks{start_get(queue, "overtaken"), start_get(queue, "next")};
  ticks(1);
  try_put(queue, 1);
  gets(queue, "main");
  turns(2);
  for (const int item : {2, 3}) {
    try_put(queue, item);
    turns(2);
  }
  each_ends(tasks);
}

SCENARIO(overtaken_putter_waits_anew_behind_the_others) {
  Queue<int> queue(1);
  try_put(queue, 0);
  std::vector tasks{start_put(queue, 1), start_put(queue, 2)};
  ticks(1);
  try_get(queue);
  puts(queue, 9);
  for (int i = 0; i < 3; ++i) {
    turns(2);
    try_get(queue);
  }
  each_ends(tasks);
}

// ---- Producers and consumers.

SCENARIO(producer_and_consumer_of_a_narrow_queue) {
  Queue<int> queue(1);
  const auto produces = [&] {
    for (int item = 0; item < 4; ++item) puts(queue, item);
  };
  const auto consumes = [&] {
    for (int i = 0; i < 4; ++i) gets(queue, "consumer");
  };
  std::vector<Task> tasks{weft::spawn({.name = "producer"}, produces),
                          weft::spawn({.name = "consumer"}, consumes)};
  each_ends(tasks);
}

SCENARIO(whoever_is_free_takes_the_next) {
  Queue<int> queue(2);
  const auto consumes = [&](const char* name, double pace) {
    return [&queue, name, pace] {
      for (int i = 0; i < 3; ++i) {
        gets(queue, name);
        ticks(pace);
      }
    };
  };
  const auto produces = [&] {
    for (int item = 0; item < 6; ++item) puts(queue, item);
  };
  std::vector<Task> tasks{weft::spawn({.name = "quick"}, consumes("quick", 1)),
                          weft::spawn({.name = "slow"}, consumes("slow", 2.5)),
                          weft::spawn({.name = "producer"}, produces)};
  each_ends(tasks);
}

SCENARIO(ball_goes_to_and_fro) {
  Queue<int> there;
  Queue<std::string> back;
  const auto returns = [&] {
    for (int i = 0; i < 3; ++i) {
      there.get();
      puts(back, std::string("ball"));
    }
  };
  auto task = weft::spawn({.name = "returner"}, returns);
  for (int number = 0; number < 3; ++number) {
    (void)there.try_put(number);
    gets(back, "main");
  }
  each_ends(task);
}

// ---- Work that is done.

SCENARIO(join_waits_until_as_many_are_done_as_were_put) {
  Queue<int> queue;
  for (const int item : {1, 2}) try_put(queue, item);
  auto task = start_join(queue, "joiner");
  turns(1);
  for (int i = 0; i < 2; ++i) try_get(queue);
  turns(2);
  for (int i = 0; i < 2; ++i) {
    trace("joined", task.done());
    attempt("done", [&] { queue.task_done(); });
    turns(2);
  }
  each_ends(task);
}

SCENARIO(joiners_go_on_in_the_order_of_arrival) {
  Queue<int> queue;
  try_put(queue, 1);
  std::vector tasks{start_join(queue, "a"), start_join(queue, "b"), start_join(queue, "c")};
  ticks(1);
  try_get(queue);
  attempt("done", [&] { queue.task_done(); });
  each_ends(tasks);
}

SCENARIO(done_more_often_than_put_is_misuse) {
  Queue<int> queue;
  attempt("nothing was put", [&] { queue.task_done(); });
  try_put(queue, 1);
  try_get(queue);
  for (int i = 0; i < 2; ++i) attempt("done", [&] { queue.task_done(); });
}

SCENARIO(done_before_it_was_got_counts) {
  Queue<int> queue;
  try_put(queue, 1);
  attempt("done", [&] { queue.task_done(); });
  joins(queue, "main");
  look(queue);
}

SCENARIO(join_again_after_more_was_put) {
  Queue<int> queue;
  for (const int item : {1, 2}) {
    try_put(queue, item);
    auto task = start_join(queue, "joiner " + text(item));
    turns(2);
    try_get(queue);
    attempt("done", [&] { queue.task_done(); });
    each_ends(task);
  }
}

SCENARIO(put_before_the_joiner_runs) {
  Queue<int> queue;
  try_put(queue, 1);
  auto task = start_join(queue, "joiner");
  ticks(1);
  attempt("done", [&] { queue.task_done(); });
  try_put(queue, 2);
  turns(3);
  trace("joined", task.done());
  attempt("done", [&] { queue.task_done(); });
  each_ends(task);
}

SCENARIO(workers_are_stopped_when_all_is_done) {
  Queue<int> queue;
  const auto works = [&](const char* name, double pace) {
    return [&queue, name, pace] {
      for (;;) {
        gets(queue, name);
        ticks(pace);
        queue.task_done();
      }
    };
  };
  std::vector<Task> workers{weft::spawn({.name = "a"}, works("a", 1)),
                            weft::spawn({.name = "b"}, works("b", 2.5))};
  for (int item = 0; item < 5; ++item) puts(queue, item);
  joins(queue, "main");
  for (Task& worker : workers) cancel(worker);
  each_ends(workers);
}

}  // namespace parity
