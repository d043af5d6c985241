// Cancellation: how a task is stopped, how it cleans up, and how to keep what must not be left half
// done out of its way.

#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/shield.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/timeout.h>

#include <chrono>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

// Cancelled is thrown out of the call that waits. Who catches it cleans up and throws it on, so
// that whoever asked learns that the task has stopped. Most need not catch it: destructors run.
void watch() {
  try {
    weft::sleep_for(1h);
  } catch (const weft::Cancelled&) {
    weft::sleep_for(10ms);  // one request is thrown once, so that cleaning up may wait
    std::puts("  the task has cleaned up");
    throw;
  }
}

void stop_a_task() {
  std::puts("A task that is cancelled:");
  const weft::Task<void> task = weft::spawn(watch);
  weft::sleep_for(50ms);
  task.cancel();  // asks, and does not wait
  task.join();    // waits for the end, whatever it is; get() would throw Cancelled here
  std::printf("  it ended %s\n", task.cancelled() ? "cancelled" : "as if nothing had happened");
}

// Half a commit would be worse than none.
std::string commit(const std::string& what) {
  std::printf("  commit of %s begins\n", what.c_str());
  weft::sleep_for(500ms);
  std::printf("  commit of %s is done\n", what.c_str());
  return "version of " + what;
}

// shield() waits for a task without passing on a cancellation of its own. So save() can be stopped
// at any time, and the commit, once begun, comes to its end.
void save(const weft::Task<std::string>& commit) {
  try {
    weft::shield(commit);
    std::puts("  saved");
  } catch (const weft::Cancelled&) {
    std::puts("  save was stopped, and need not wait");
    throw;
  }
}

void stop_around_a_commit() {
  std::puts("A shielded commit, and its caller cancelled:");
  weft::Task<std::string> letter = weft::spawn([] { return commit("a letter"); });
  const weft::Task<void> saving = weft::spawn([letter] { save(letter); });
  weft::sleep_for(100ms);
  saving.cancel();
  saving.join();
  std::printf("  save has ended, the commit %s\n", letter.done() ? "too" : "goes on");
  std::printf("  result: %s\n", letter.get().c_str());
}

// A time limit stops what it is around by a cancellation, so a shield holds against it, too: here a
// caller who can do something else after 100 ms, and yet wants the result in the end.
void limit_around_a_commit() {
  std::puts("A shielded commit, and a time limit around it:");
  weft::Task<std::string> book = weft::spawn([] { return commit("a book"); });
  try {
    weft::timeout(100ms, [&] { weft::shield(book); });
    std::puts("  in time");
  } catch (const weft::TimeoutError&) {
    std::printf("  time is up, the commit %s\n", book.done() ? "has ended" : "goes on");
  }
  std::printf("  result: %s\n", book.get().c_str());
}

int main() {
  weft::run([] {
    stop_a_task();
    stop_around_a_commit();
    limit_around_a_commit();
  });
}
