// What becomes of an exception when several tasks run at once.

#include <weft/error.h>
#include <weft/gather.h>
#include <weft/outcome.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

std::string load(int number) {
  weft::sleep_for(number * 50ms);
  if (number == 2) throw std::runtime_error("record 2 is damaged");
  std::printf("  record %d loaded\n", number);
  return "record " + std::to_string(number);
}

auto loading(int number) {
  return [number] { return load(number); };
}

// The first exception reaches the caller at once, as from a plain call. The others are not stopped:
// record 3 is still on its way then, and whoever wants its end keeps a handle to it.
void first_exception() {
  std::puts("gather, the first exception:");
  auto third = weft::spawn(loading(3));
  try {
    weft::gather(loading(1), loading(2), third);
  } catch (const std::exception& error) {
    std::printf("  gather threw: %s\n", error.what());
  }
  std::printf("  the third %s\n", third.done() ? "has ended" : "is still running");
  std::printf("  the third gave: %s\n", third.get().c_str());
}

std::string describe(const weft::Outcome<std::string>& outcome) {
  if (outcome.has_value()) return outcome.value();
  try {
    std::rethrow_exception(outcome.error());
  } catch (const std::exception& error) {
    return std::string("failed: ") + error.what();
  } catch (const weft::Cancelled&) {  // no std::exception, so that nobody catches it by accident
    return "cancelled";
  }
}

// With return_exceptions, gather waits for all, and each has a value or an exception.
void every_outcome() {
  std::puts("gather, every outcome:");
  std::vector<weft::Task<std::string>> tasks;
  for (int number = 1; number <= 4; ++number) tasks.push_back(weft::spawn(loading(number)));
  tasks[3].cancel();
  for (const auto& outcome : weft::gather(weft::return_exceptions, tasks)) {
    std::printf("  %s\n", describe(outcome).c_str());
  }
}

// An exception that leaves the main task leaves run(), so a program can handle it in main().
void out_of_run() {
  std::puts("An exception leaves run:");
  try {
    weft::run([] { weft::gather(loading(1), loading(2)); });
  } catch (const std::exception& error) {
    std::printf("  run threw: %s\n", error.what());
  }
}

int main() {
  weft::run([] {
    first_exception();
    every_outcome();
  });
  out_of_run();
}
