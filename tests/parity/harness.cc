#include "parity/harness.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

namespace parity {

namespace {

struct Entry {
  const char* name;
  bool in_runtime;
  void (*body)();
};

std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

std::string list(const std::vector<std::exception_ptr>& errors) {
  std::string all;
  for (const auto& error : errors) all += (all.empty() ? "" : ", ") + text(error);
  return "[" + all + "]";
}

void run(const Entry& scenario) {
  ::alarm(20);
  try {
    if (scenario.in_runtime) {
      weft::run(options(), scenario.body);
    } else {
      scenario.body();
    }
  } catch (...) {
    trace("left by", std::current_exception());
  }
}

}  // namespace

Scenario::Scenario(const char* name, bool in_runtime, void (*body)()) {
  entries().push_back({name, in_runtime, body});
}

weft::Options options() {
  weft::Options options;
  options.workers = 1;
  options.fifo = true;
  options.on_lost_exception = [](const weft::LostException& lost) {
    trace("unread", lost.exception);
  };
  return options;
}

std::chrono::steady_clock::time_point now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::chrono::steady_clock::time_point(std::chrono::seconds(time.tv_sec) +
                                               std::chrono::nanoseconds(time.tv_nsec));
}

void print(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

std::string text(const std::exception& error) {
  if (const auto* group = dynamic_cast<const weft::ExceptionGroup*>(&error)) {
    return "ExceptionGroup" + list(group->errors());
  }
  if (dynamic_cast<const weft::TimeoutError*>(&error) != nullptr) return "TimeoutError";
  if (dynamic_cast<const Failure*>(&error) != nullptr) {
    return std::string("Failure(") + error.what() + ")";
  }
  if (dynamic_cast<const OtherFailure*>(&error) != nullptr) {
    return std::string("OtherFailure(") + error.what() + ")";
  }
  if (dynamic_cast<const std::logic_error*>(&error) != nullptr) return "Misuse";
  return std::string("std::exception(") + error.what() + ")";
}

std::string text(const std::exception_ptr& error) {
  if (error == nullptr) return "none";
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return text(exception);
  } catch (const weft::Cancelled&) {
    return "Cancelled";
  } catch (...) {
    return "an unknown exception";
  }
}

}  // namespace parity

/// Runs the scenarios named, or all of them: a line `== NAME`, and the trace.
int main(int count, char** arguments) {
  const std::vector<std::string> wanted(arguments + 1, arguments + count);
  for (const parity::Entry& scenario : parity::entries()) {
    const bool chosen = std::find(wanted.begin(), wanted.end(), scenario.name) != wanted.end();
    if (!wanted.empty() && !chosen) continue;
    parity::print(std::string("== ") + scenario.name);
    parity::run(scenario);
  }
}
