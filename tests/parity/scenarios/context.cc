// Variables of which each task has a value of its own. Each scenario does what its namesake in
// context.py does.

#include <string>
#include <thread>

#include "parity/harness.h"

namespace parity {

static weft::ContextVar<std::string> colour("colour", "grey");
static weft::ContextVar<std::string> shape("shape");  // without a default

static std::string get_shape() { return shape.get(); }

SCENARIO(default_or_no_value) {
  trace("colour", colour.get());
  attempt("shape", get_shape);
  colour.set("red");
  shape.set("round");
  trace("colour", colour.get(), "shape", shape.get());
}

SCENARIO(get_with_a_fallback) {
  trace(colour.get("pink"), shape.get("square"));
  colour.set("red");
  shape.set("round");
  trace(colour.get("pink"), shape.get("square"));
}

SCENARIO(set_and_reset) {
  auto first = colour.set("red");
  auto second = shape.set("round");
  trace("set", colour.get(), shape.get());
  colour.reset(std::move(first));
  shape.reset(std::move(second));
  trace("reset", colour.get());
  attempt("shape", get_shape);
}

SCENARIO(nested_sets_and_resets) {
  auto first = colour.set("red");
  auto second = colour.set("blue");
  auto third = colour.set("green");
  trace("set", colour.get());
  colour.reset(std::move(third));
  trace("once", colour.get());
  colour.reset(std::move(second));
  trace("twice", colour.get());
  colour.reset(std::move(first));
  trace("three times", colour.get());
}

SCENARIO(resets_out_of_order) {
  auto first = colour.set("red");
  auto second = colour.set("blue");
  colour.reset(std::move(first));
  trace("first", colour.get());
  colour.reset(std::move(second));
  trace("second", colour.get());
}

SCENARIO(token_used_twice) {
  colour.set("red");
  auto token = colour.set("blue");
  colour.reset(std::move(token));
  colour.set("green");
  attempt("again", [&] { colour.reset(std::move(token)); });  // NOLINT(bugprone-use-after-move)
  trace(colour.get());
}

SCENARIO(token_of_another_variable) {
  shape.set("round");
  auto token = colour.set("red");
  attempt("shape", [&] { shape.reset(std::move(token)); });
  trace(colour.get(), shape.get());
  attempt("colour", [&] { colour.reset(std::move(token)); });
  trace(colour.get(), shape.get());
}

SCENARIO(token_of_another_task) {
  auto token = colour.set("red");

  const auto child = [&] {
    attempt("child", [&] { colour.reset(std::move(token)); });
    trace("child", colour.get());
  };
  weft::spawn(child).get();
  attempt("parent", [&] { colour.reset(std::move(token)); });
  trace("parent", colour.get());
}

SCENARIO(child_inherits_what_was_set_when_it_was_spawned) {
  const auto child = [] {
    trace("child", colour.get());
    ticks(2);
    trace("child later", colour.get());
  };
  colour.set("red");
  auto task = weft::spawn(child);
  colour.set("blue");
  ticks(1);
  colour.set("green");
  task.get();
  trace("parent", colour.get());
}

SCENARIO(changes_of_a_child_stay_with_it) {
  const auto child = [] {
    colour.set("blue");
    shape.set("round");
    ticks(2);
    trace("child", colour.get(), shape.get());
  };
  colour.set("red");
  auto task = weft::spawn(child);
  ticks(1);
  trace("parent", colour.get());
  task.get();
  trace("parent", colour.get());
  attempt("shape", get_shape);
}

SCENARIO(grandchild_inherits_what_its_parent_changed) {
  const auto grandchild = [] {
    trace("grandchild", colour.get(), shape.get());
    shape.set("flat");
  };
  const auto child = [&] {
    shape.set("round");
    weft::spawn(grandchild).get();
    trace("child", colour.get(), shape.get());
  };
  colour.set("red");
  shape.set("square");
  weft::spawn(child).get();
  trace("parent", colour.get(), shape.get());
}

SCENARIO(values_are_kept_across_suspensions) {
  const auto child = [](const char* name) {
    return [=] {
      auto token = colour.set(name);
      for (int i = 0; i < 2; ++i) {
        turns(1);
        trace(name, "sees", colour.get());
      }
      colour.reset(std::move(token));
      turns(1);
      trace(name, "sees", colour.get());
    };
  };
  colour.set("white");
  weft::gather(child("red"), child("green"), child("blue"));
}

SCENARIO(called_function_shares_the_values_of_its_caller) {
  const auto function = [] {
    trace("function", colour.get());
    colour.set("blue");
    ticks(1);
  };
  colour.set("red");
  function();
  trace("caller", colour.get());
}

SCENARIO(children_of_gather_have_values_of_their_own) {
  const auto child = [](const char* value) {
    return [=] {
      trace("child", colour.get());
      colour.set(value);
      ticks(1);
      return std::string(colour.get());
    };
  };
  colour.set("red");
  trace(weft::gather(child("green"), child("blue")));
  trace("parent", colour.get());
}

SCENARIO(children_of_a_task_group_inherit_one_by_one) {
  const auto child = [] {
    trace("child", colour.get());
    colour.set("black");
  };
  weft::task_group([&](weft::TaskGroup& group) {
    for (const char* value : {"red", "green", "blue"}) {
      colour.set(value);
      group.spawn(child);
    }
    colour.set("white");
  });
  trace("parent", colour.get());
}

SCENARIO(thread_of_the_pool_sees_the_values_and_keeps_its_changes) {
  const auto work = [] {
    trace("thread", colour.get());
    colour.set("blue");
    trace("thread", colour.get());
  };
  colour.set("red");
  weft::to_thread(work);
  trace("task", colour.get());

  const auto next_work = [] { trace("next", colour.get()); };
  weft::spawn([&] { weft::to_thread(next_work); }).get();
}

SCENARIO(done_callback_sees_the_values_at_the_time_it_was_added) {
  const auto child = [] {
    ticks(1);
    colour.set("blue");
  };
  const auto callback = [](const weft::Task<void>&) {
    trace("callback", colour.get());
    colour.set("black");
  };
  colour.set("red");
  auto task = weft::spawn(child);
  task.add_done_callback(callback);
  colour.set("green");
  task.add_done_callback(callback);
  colour.set("white");
  ticks(2);
  trace("parent", colour.get());
}

BARE_SCENARIO(run_inherits_from_the_thread_and_leaks_nothing) {
  const auto work = [] {
    trace("main", colour.get());
    colour.set("blue");
    trace("main", colour.get());
  };
  auto token = colour.set("red");
  weft::run(options(), work);
  trace("thread", colour.get());
  colour.reset(std::move(token));
  weft::run(options(), work);
}

BARE_SCENARIO(posted_task_inherits_from_the_thread_that_posts) {
  weft::Runtime runtime(options());
  const auto posted = [] {
    trace("posted", colour.get());
    colour.set("black");
  };
  const auto work = [&] {
    const auto thread = [&] {
      trace("thread", colour.get());
      colour.set("blue");
      runtime.post(posted).get();
      trace("thread", colour.get());
    };
    colour.set("red");
    std::thread plain(thread);
    weft::to_thread([&] { plain.join(); });
    trace("main", colour.get());
  };
  runtime.run(work);
}

BARE_SCENARIO(second_run_on_the_same_runtime) {
  const auto work = [](const char* name) {
    return [=] {
      trace(name, colour.get());
      colour.set("blue");
    };
  };
  auto token = colour.set("red");
  weft::Runtime runtime(options());
  runtime.run(work("first"));
  runtime.run(work("second"));
  colour.reset(std::move(token));
}

}  // namespace parity
