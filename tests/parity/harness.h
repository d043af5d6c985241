#pragma once

// What the C++ half of every scenario is written with: see harness.py, which says the same things
// in the same words.

#include <weft/weft.h>

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace parity {

/// A scenario's own exceptions.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct OtherFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Virtual: a sleep takes no time, and moves the clock on.
inline constexpr std::chrono::seconds kTick{1};

inline void ticks(double count) {
  weft::sleep_for(std::chrono::duration<double>(count) * kTick.count());
}
/// So many ticks, as a duration.
inline std::chrono::nanoseconds span(double count) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(count) *
                                                              kTick.count());
}
/// The virtual clock, for deadlines.
std::chrono::steady_clock::time_point now();

/// Lets all that is ready run, so many times.
inline void turns(int count) {
  for (int i = 0; i < count; ++i) weft::yield();
}

// ---- The trace.

inline std::string text(bool value) { return value ? "true" : "false"; }
inline std::string text(const char* value) { return value; }
inline std::string text(const std::string& value) { return value; }
inline std::string text(std::monostate) { return "none"; }
inline std::string text(std::nullopt_t) { return "none"; }
std::string text(const std::exception_ptr& error);  // null: none
std::string text(const std::exception& error);
inline std::string text(const weft::Cancelled&) { return "Cancelled"; }

template <class T>
requires(std::integral<T> && !std::same_as<T, bool>) std::string text(T value) {
  return std::to_string(value);
}
template <class T>
std::string text(const std::optional<T>& value) {
  return value.has_value() ? text(*value) : "none";
}
template <class T>
std::string text(const weft::Outcome<T>& outcome) {
  return outcome.has_value() ? text(outcome.value()) : text(outcome.error());
}
template <class T>
std::string text(const std::vector<T>& values) {
  std::string all;
  for (const auto& value : values) all += (all.empty() ? "" : ", ") + text(value);
  return "[" + all + "]";
}
template <class... T>
std::string text(const std::tuple<T...>& values) {
  std::string all;
  std::apply([&](const auto&... value) { ((all += (all.empty() ? "" : ", ") + text(value)), ...); },
             values);
  return "[" + all + "]";
}

void print(const std::string& line);

template <class... T>
void trace(const T&... values) {
  std::string line;
  ((line += (line.empty() ? "" : " ") + text(values)), ...);
  print(line);
}

/// Traces how `body()` ends, and goes on, whatever that was. (Python's attempt() and call().)
template <class F>
void attempt(std::string_view what, F&& body) {
  std::string end;
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::invoke(std::forward<F>(body));
      end = "returned none";
    } else {
      end = "returned " + text(std::invoke(std::forward<F>(body)));
    }
  } catch (...) {
    end = "threw " + text(std::current_exception());
  }
  trace(std::string(what), end);
}

// ---- Scenarios.

struct Scenario {
  Scenario(const char* name, bool in_runtime, void (*body)());
};

/// A scenario that runs as the main task of a runtime of its own, or, BARE, by itself.
// NOLINTBEGIN(bugprone-macro-parentheses): a name cannot be in parentheses
#define SCENARIO(name)                                                 \
  static void name();                                                  \
  static const ::parity::Scenario name##_scenario(#name, true, &name); \
  static void name()
#define BARE_SCENARIO(name)                                             \
  static void name();                                                   \
  static const ::parity::Scenario name##_scenario(#name, false, &name); \
  static void name()
// NOLINTEND(bugprone-macro-parentheses)

/// As the runtime of every scenario is: one worker, and asyncio's order.
weft::Options options();

}  // namespace parity
