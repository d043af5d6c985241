#pragma once

// Who plays in the scenarios: tasks that sleep, fail, and stop in ways of their own, and who
// watches them. The Python half has the same in cast.py.

#include <chrono>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "parity/harness.h"

namespace parity::cast {

using Tasks = std::vector<weft::Task<std::string>>;
using Task = weft::Task<void>;

// ---- Tasks.

/// A child that does not say when it starts.
inline auto sleeper(const std::string& name, double count) {
  return [=] {
    try {
      ticks(count);
    } catch (const weft::Cancelled& error) {
      trace(name, "caught", error);
      throw;
    }
    trace(name, "ends");
    return name;
  };
}

inline auto child(const std::string& name, double count) {
  return [=] {
    trace(name, "starts");
    return sleeper(name, count)();
  };
}

inline auto failing(const std::string& name, double count) {
  return [=]() -> std::string {
    ticks(count);
    trace(name, "fails");
    throw Failure(name);
  };
}

inline auto slow_to_stop(const std::string& name, double count) {
  return [=] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      child(name, count)();
      throw;
    }
  };
}

inline auto failing_cleanup(const std::string& name, double count) {
  return [=] {
    try {
      ticks(99);
    } catch (const weft::Cancelled&) {
      failing(name, count)();
    }
  };
}

inline void overlong() {
  try {
    ticks(99);
  } catch (const weft::Cancelled& error) {
    trace("body caught", error);
    throw;
  }
}

inline void block_until(std::chrono::steady_clock::time_point moment) {
  while (now() < moment) {
  }
}

template <class F>
auto run(F&& body) {
  return weft::run(options(), std::forward<F>(body));
}

/// With a limit in ticks.
template <class F>
decltype(auto) timeout(double count, F&& body) {
  return weft::timeout(span(count), std::forward<F>(body));
}

// ---- Those who watch.

template <class F>
auto start(F body, const std::string& name, double count) {
  return weft::spawn({.name = name}, body(name, count));
}

template <class F>
void attempt_group(F&& body) {
  attempt("group", [&] { return weft::task_group(body); });
}

template <class... T>
void at_last(T&... tasks) {
  (attempt("at last", [&] { return tasks.get(); }), ...);
}

template <class... T>
void each_ends(T&... tasks) {
  (attempt(tasks.name(), [&] { tasks.get(); }), ...);
}
inline void each_ends(std::vector<Task>& tasks) {
  for (Task& task : tasks) each_ends(task);
}

inline void cancel(Task& task) { trace("cancel", std::string(task.name()), task.cancel()); }

template <class T>
void cancel_after(double count, const weft::Task<T>& task) {
  ticks(count);
  trace("cancel", task.cancel());
}

inline std::vector<std::string> cancelled(const Tasks& tasks) {
  std::vector<std::string> all;
  for (const auto& task : tasks) all.push_back(text(task.cancelled()));
  return all;
}

/// Ticks, of which none counts by half.
inline long passed(std::chrono::steady_clock::time_point since) {
  return std::lround(std::chrono::duration<double>(now() - since) / kTick);
}

}  // namespace parity::cast
