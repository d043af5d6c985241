// The smallest program: a main task that starts another one and waits for what it returns.

#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task.h>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

// A task is a plain function with a stack of its own. There is no keyword for "may wait": this one
// waits in the middle of a call, and other tasks use the thread meanwhile.
std::string greet(const std::string& name) {
  std::printf("%s is thinking\n", name.c_str());
  weft::sleep_for(100ms);
  return "hello from " + name;
}

int main() {
  // run() starts a runtime with a thread for each processor, calls the lambda as the main task, and
  // takes the runtime down again.
  const std::string greeting = weft::run([] {
    std::puts("main starts a task");
    weft::Task<std::string> task = weft::spawn([] { return greet("a task"); });
    // Both run at the same time from here on. get() waits for the end and hands over the result,
    // or throws what the task threw.
    return task.get();
  });
  std::printf("%s\n", greeting.c_str());
}
