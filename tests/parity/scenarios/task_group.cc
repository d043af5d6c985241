// Tasks that end together: what they return, and when the group ends. Each scenario does what its
// namesake in task_group.py does.

#include "parity/cast.h"

namespace parity {

using cast::attempt_group;
using cast::cancel_after;
using cast::cancelled;
using cast::child;
using cast::failing_cleanup;
using cast::passed;
using cast::Tasks;
using weft::TaskGroup;
using weft::this_task::cancelling;

static std::vector<std::string> done(const Tasks& tasks) {
  std::vector<std::string> all;
  for (const auto& task : tasks) all.push_back(text(task.done()));
  return all;
}

// ---- All is well.

SCENARIO(nothing_in_the_group) {
  auto other = weft::spawn(child("other", 1));
  attempt_group([](TaskGroup&) { return "result"; });
  other.get();
}

SCENARIO(children_start_in_order_and_are_waited_for) {
  const auto start = now();
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 3));
    group.spawn(child("b", 1));
    group.spawn(child("c", 2));
    trace("body ends");
    return "result";
  });
  trace("ticks", passed(start));
}

SCENARIO(body_outlasts_its_children) {
  Tasks tasks;
  const auto start = now();
  attempt_group([&](TaskGroup& group) {
    for (const auto* name : {"a", "b", "c"}) {
      tasks.push_back(group.spawn(child(name, 1)));
      ticks(2);
      trace("done", tasks.back().done());
    }
  });
  trace("ticks", passed(start));
}

SCENARIO(results_are_read_afterwards) {
  Tasks tasks;
  attempt_group([&](TaskGroup& group) {
    tasks.push_back(group.spawn(child("a", 2)));
    tasks.push_back(group.spawn(child("b", 1)));
    trace("done", done(tasks));
  });
  trace("done", done(tasks));
  trace("results", tasks[0].get(), tasks[1].get());
}

SCENARIO(body_awaits_a_child) {
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 2));
    const auto value = group.spawn(child("b", 1)).get();
    trace("body has", value);
    return std::string(value);
  });
}

SCENARIO(child_has_the_name_it_was_given) {
  const auto named = [] { trace("inside", weft::this_task::name()); };
  attempt_group([&](TaskGroup& group) {
    auto task = group.spawn({.name = "worker 7"}, named);
    trace("outside", task.name());
  });
}

SCENARIO(children_spawn_siblings_while_the_group_closes) {
  const auto start = now();
  attempt_group([](TaskGroup& group) {
    struct Spawner {
      void operator()() const {
        trace(names.substr(0, 1), "starts");
        ticks(1);
        if (names.size() > 1) group.spawn(Spawner{group, names.substr(1)});
        trace(names.substr(0, 1), "ends");
      }
      TaskGroup& group;
      std::string names;
    };
    group.spawn(Spawner{group, "abcd"});
    trace("body ends");
  });
  trace("ticks", passed(start));
}

SCENARIO(task_that_a_child_spawns_alone_is_not_waited_for) {
  Tasks tasks;
  const auto parent = [&] {
    tasks.push_back(weft::spawn(child("stranger", 5)));
    ticks(1);
    trace("parent ends");
  };
  attempt_group([&](TaskGroup& group) { group.spawn(parent); });
  trace("stranger done", tasks[0].done());
  attempt("stranger", [&] { return tasks[0].get(); });
}

SCENARIO(hundred_children_end) {
  std::vector<int> order;
  attempt_group([&](TaskGroup& group) {
    const auto worker = [&](int number) {
      return [&order, number] {
        ticks(number * 37 % 100 + 1);
        order.push_back(number);
      };
    };
    for (int number = 0; number < 100; ++number) group.spawn(worker(number));
    ticks(50.5);
    trace("ended in the body", order.size());
  });
  trace("ended", order.size(), std::vector(order.begin(), order.begin() + 5),
        std::vector(order.end() - 5, order.end()));
}

// ---- One child is cancelled.

SCENARIO(child_that_cancels_itself_is_no_error) {
  Tasks tasks;
  const auto cancels_itself = [] {
    weft::this_task::cancel();
    return child("a", 1)();
  };
  attempt_group([&](TaskGroup& group) {
    tasks.push_back(group.spawn(cancels_itself));
    tasks.push_back(group.spawn(child("b", 2)));
    return "result";
  });
  trace("cancelled", cancelled(tasks));
}

SCENARIO(child_is_cancelled_by_its_handle) {
  Tasks tasks;
  attempt_group([&](TaskGroup& group) {
    tasks.push_back(group.spawn(child("a", 9)));
    tasks.push_back(group.spawn(child("b", 2)));
    ticks(1);
    trace("cancel", tasks[0].cancel());
    return "result";
  });
  trace("cancelled", cancelled(tasks));
}

SCENARIO(child_is_cancelled_before_it_starts) {
  attempt_group([](TaskGroup& group) {
    trace("cancel", group.spawn(child("a", 9)).cancel());
    child("body", 1)();
    return "result";
  });
}

SCENARIO(child_fails_when_cancelled_by_its_handle) {
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 9));
    auto task = group.spawn(failing_cleanup("b", 1));
    ticks(1);
    trace("cancel", task.cancel());
    child("body", 9)();
  });
}

SCENARIO(body_awaits_a_child_that_is_cancelled) {
  attempt_group([](TaskGroup& group) {
    group.spawn(child("a", 9));
    auto task = group.spawn(child("b", 9));
    group.spawn([=] { cancel_after(1, task); });
    task.get();
  });
  trace("cancelling", cancelling());
}

SCENARIO(stranger_that_awaits_a_child_is_cancelled) {
  attempt_group([](TaskGroup& group) {
    auto task = group.spawn(child("a", 9));
    auto waiter = weft::spawn([=]() mutable { task.get(); });
    ticks(1);
    trace("cancel", waiter.cancel());
    attempt("stranger", [&] { waiter.get(); });
    trace("cancelled", task.cancelled());
    return "result";
  });
}

SCENARIO(first_child_to_end_has_the_others_cancelled) {
  attempt_group([](TaskGroup& group) {
    const std::vector tasks{group.spawn(child("a", 3)), group.spawn(child("b", 1))};
    const auto [done, pending] = weft::wait(tasks, weft::first_completed);
    trace("done", done.size(), "pending", pending.size());
    for (auto& task : pending) trace("cancel", task.cancel());
    return "result";
  });
}

}  // namespace parity
