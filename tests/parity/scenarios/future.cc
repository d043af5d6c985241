// Values and exceptions that somebody sets, and others wait for. Each scenario does what its
// namesake in future.py does.

#include "parity/cast.h"

namespace parity {

using cast::cancel_after;

namespace {

using Promise = weft::Promise<std::string>;
using Future = weft::Future<std::string>;

template <class E>
std::exception_ptr error(const E& exception) {
  return std::make_exception_ptr(exception);
}

/// Of a future, or the promise of one.
template <class F>
void trace_state(const char* what, const F& future) {
  trace(what, "done", future.done(), "cancelled", future.cancelled());
}

template <class T>
auto waits(const char* name, const weft::Future<T>& future) {
  return [name, future = future]() mutable {
    attempt(name, [&] { return future.get(); });
    trace("cancelling", weft::this_task::cancelling());
  };
}

void try_to_set(Promise& promise) {
  attempt("set value", [&] { promise.set_value("late"); });
  attempt("set exception", [&] { promise.set_exception(error(OtherFailure("late"))); });
}

}  // namespace

// ---- Setting, and waiting.

SCENARIO(value_that_is_there_is_returned_at_once) {
  auto task = weft::spawn([] { trace("other runs"); });
  Promise promise;
  auto future = promise.future();
  promise.set_value("value");
  attempt("first", [&] { return future.get(); });
  attempt("second", [&] { return future.get(); });
  task.get();
}

SCENARIO(who_sets_goes_on_before_who_waits) {
  Promise promise;
  auto future = promise.future();
  auto waiter = weft::spawn(waits("waiter", future));
  ticks(1);
  trace_state("before", future);
  promise.set_value("value");
  trace_state("after", future);
  waiter.get();
}

SCENARIO(waiters_go_on_in_the_order_in_which_they_came) {
  weft::Promise<void> promise;
  auto future = promise.future();
  const auto comes = [&](const char* name, double count) {
    return [&future, name, count] {
      ticks(count);
      trace(name, "waits");
      attempt(name, [&] { future.get(); });
    };
  };
  std::vector tasks{weft::spawn(comes("a", 3)), weft::spawn(comes("b", 1)),
                    weft::spawn(comes("c", 2))};
  ticks(4);
  promise.set_value();
  for (auto& task : tasks) task.get();
}

SCENARIO(exception_reaches_all_who_wait) {
  Promise promise;
  auto future = promise.future();
  std::vector tasks{weft::spawn(waits("a", future)), weft::spawn(waits("b", future))};
  ticks(1);
  promise.set_exception(error(Failure("set")));
  trace("exception", future.exception());
  for (auto& task : tasks) task.get();
  attempt("later", [&] { return future.get(); });
}

SCENARIO(value_is_handed_along_a_row) {
  std::vector<Promise> promises(4);
  std::vector<Future> futures;
  for (const auto& promise : promises) futures.push_back(promise.future());
  const auto hands_on = [&](int number) {
    return [&, number] {
      const auto value = futures[number].get();
      trace(number, "has", value);
      promises[number + 1].set_value(value + "!");
      trace(number, "ends");
    };
  };
  std::vector tasks{weft::spawn(hands_on(2)), weft::spawn(hands_on(0)), weft::spawn(hands_on(1))};
  ticks(1);
  promises[0].set_value("value");
  attempt("last", [&] { return futures[3].get(); });
  for (auto& task : tasks) task.get();
}

// ---- Only once.

SCENARIO(set_a_second_time_is_misuse) {
  Promise promise;
  auto future = promise.future();
  promise.set_value("first");
  try_to_set(promise);
  trace("cancel", promise.cancel());
  attempt("value", [&] { return future.get(); });
  Promise other_promise;
  auto other = other_promise.future();
  other_promise.set_exception(error(Failure("first")));
  try_to_set(other_promise);
  trace("cancel", other_promise.cancel());
  attempt("exception", [&] { return other.get(); });
}

SCENARIO(nothing_can_be_set_when_it_was_cancelled) {
  Promise promise;
  auto future = promise.future();
  trace("cancel", future.cancel());
  trace("again", promise.cancel());
  try_to_set(promise);
  trace_state("promise", promise);
  trace("exception", future.exception());
  attempt("future", [&] { return future.get(); });
}

// ---- Cancelling.

SCENARIO(cancelled_future_cancels_who_waits) {
  Promise promise;
  auto future = promise.future();
  std::vector tasks{weft::spawn(waits("a", future)), weft::spawn(waits("b", future))};
  ticks(1);
  trace("cancel", promise.cancel());
  trace_state("future", future);
  for (auto& task : tasks) task.get();
}

SCENARIO(cancelled_waiter_cancels_the_future_of_all) {
  Promise promise;
  auto future = promise.future();
  std::vector tasks{weft::spawn(waits("a", future)), weft::spawn(waits("b", future)),
                    weft::spawn(waits("c", future))};
  cancel_after(1, tasks[0]);
  for (auto& task : tasks) task.get();
  trace_state("promise", promise);
  try_to_set(promise);
}

SCENARIO(waiter_cancelled_when_the_value_has_just_come) {
  Promise promise;
  auto future = promise.future();
  auto waiter = weft::spawn(waits("waiter", future));
  ticks(1);
  promise.set_value("value");
  trace("cancel", waiter.cancel());
  waiter.get();
  trace_state("future", future);
  attempt("main", [&] { return future.get(); });
}

SCENARIO(request_that_was_there_before_cancels_the_future) {
  Promise promise;
  auto future = promise.future();
  const auto cancels_itself = [&] {
    trace("cancel", weft::this_task::cancel());
    attempt("wait", [&] { return future.get(); });
    attempt("next", [] { ticks(1); });
  };
  weft::spawn(cancels_itself).get();
  trace_state("future", future);
}

SCENARIO(cancelled_join_leaves_the_future_alone) {
  Promise promise;
  auto future = promise.future();
  const auto joins = [&] { future.join(); };
  auto task = weft::spawn(joins);
  cancel_after(1, task);
  attempt("join", [&] { task.get(); });
  trace_state("future", future);
  promise.set_value("value");
  attempt("main", [&] { return future.get(); });
}

SCENARIO(limit_around_a_future_cancels_it) {
  Promise promise;
  auto future = promise.future();
  const auto limited = [&] {
    return weft::timeout(span(2), [&]() -> std::string { return future.get(); });
  };
  attempt("limited", limited);
  trace_state("promise", promise);
  trace("cancelling", weft::this_task::cancelling());
}

// ---- What becomes of it in the end.

SCENARIO(exception_that_nobody_reads_is_news) {
  const auto fails_and_is_dropped = [](bool read) {
    Promise promise;
    auto future = promise.future();
    promise.set_exception(error(Failure("set")));
    if (read) trace("read", future.exception());
    trace("dropped");
  };
  fails_and_is_dropped(true);
  fails_and_is_dropped(false);
  trace("left");
}

SCENARIO(end_of_the_run_cancels_who_waits) {
  const auto forgotten = [] {
    Promise promise;
    auto future = promise.future();
    try {
      future.get();
    } catch (...) {
      trace_state("future", future);
      throw;
    }
  };
  weft::spawn(forgotten);
  turns(1);
  trace("main ends");
}

}  // namespace parity
