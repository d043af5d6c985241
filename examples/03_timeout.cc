// Time limits: `timeout` stops whatever its body is waiting for, however deep in the calls.

#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/timeout.h>

#include <chrono>
#include <cstdio>

using namespace std::chrono_literals;

// What happens when time is up: weft::Cancelled is thrown out of the call that waits, here
// sleep_for, and destructors run as with any exception.
struct Connection {
  Connection() { std::puts("  connection opened"); }
  ~Connection() { std::puts("  connection closed"); }
};

int ask(std::chrono::milliseconds takes) {
  const Connection connection;
  weft::sleep_for(takes);
  return 42;
}

void in_time() {
  std::puts("An answer in time:");
  const int answer = weft::timeout(1s, [] { return ask(10ms); });
  std::printf("  the answer is %d\n", answer);
}

void too_late() {
  std::puts("An answer that would come too late:");
  try {
    weft::timeout(50ms, [] { return ask(1h); });
  } catch (const weft::TimeoutError& error) {
    std::printf("  %s\n", error.what());
  }
}

// Limits nest: each step may take 500 ms, all steps together 300 ms. Only the limit that was
// exceeded turns into a TimeoutError, at its own `timeout`.
void nested() {
  std::puts("A limit for each step, and one for all:");
  int steps = 0;
  try {
    weft::timeout(300ms, [&] {
      for (;;) {
        weft::timeout(500ms, [] { weft::sleep_for(50ms); });
        ++steps;
      }
    });
  } catch (const weft::TimeoutError&) {
    std::printf("  out of time after %s\n", steps > 0 ? "some steps" : "no step");
  }
}

// A body that takes the scope can move its own limit, as long as it makes progress.
void extended() {
  std::puts("A limit that moves on with every step:");
  weft::timeout(300ms, [](weft::TimeoutScope& scope) {
    for (int step = 1; step <= 4; ++step) {
      weft::sleep_for(100ms);
      scope.reschedule(std::chrono::steady_clock::now() + 300ms);
    }
  });
  std::puts("  done after more than 300 ms");
}

int main() {
  weft::run([] {
    in_time();
    too_late();
    nested();
    extended();
  });
}
