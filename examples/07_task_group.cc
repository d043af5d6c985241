// Structured concurrency: when a task group ends, all that was started in it has ended, whatever
// went wrong on the way.

#include <weft/error.h>
#include <weft/exception_group.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task_group.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <stdexcept>

using namespace std::chrono_literals;

// Each directory has three files, and two directories below it. A child may start others in its
// group, and may refer to what the function that waits for the group has: that waits for them all.
void count_files(weft::TaskGroup& group, int levels_below, std::atomic<int>& files) {
  weft::sleep_for(10ms);  // reads the directory
  files += 3;
  if (levels_below == 0) return;
  for (int i = 0; i < 2; ++i) {
    group.spawn([&group, &files, levels_below] { count_files(group, levels_below - 1, files); });
  }
}

void all_goes_well() {
  std::puts("A group that goes well:");
  std::atomic<int> files = 0;
  weft::task_group([&](weft::TaskGroup& group) { count_files(group, 3, files); });
  std::printf("  %d files in 15 directories\n", files.load());
}

struct DiskFull : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void copy_to(const char* place, std::chrono::milliseconds takes) {
  try {
    weft::sleep_for(takes);
    std::printf("  %s: copied\n", place);
  } catch (const weft::Cancelled&) {  // only to clean up: it is thrown on
    std::printf("  %s: stopped, removed half a copy\n", place);
    throw;
  }
}

void copy_to_disk() {
  weft::sleep_for(200ms);
  throw DiskFull("the disk is full");
}

// Cleaning up may take time. The group waits for it, and what goes wrong in it is not lost.
void copy_to_tape() {
  try {
    weft::sleep_for(1h);
  } catch (const weft::Cancelled&) {
    weft::sleep_for(200ms);
    throw std::runtime_error("the tape does not rewind");
  }
}

// The first failure cancels whoever still runs. When all have ended, every failure leaves the group
// in one ExceptionGroup. Having been cancelled is not a failure.
void back_up() {
  weft::task_group([](weft::TaskGroup& group) {
    group.spawn([] { copy_to("card", 50ms); });
    group.spawn([] { copy_to("server", 1h); });
    group.spawn(copy_to_disk);
    group.spawn(copy_to_tape);
  });
}

// What Python writes as `except* DiskFull`: deal with failures of one type, and throw the rest on.
void back_up_in_spite_of_full_disks() {
  try {
    back_up();
  } catch (const weft::ExceptionGroup& failures) {
    std::printf("%s\n", failures.what());
    const auto [full, others] = failures.split<DiskFull>();
    if (full) std::printf("Full disks: %zu, to be emptied.\n", full->leaves().size());
    if (others) throw *others;
  }
}

int main() {
  weft::run([] {
    all_goes_well();
    std::puts("A group in which something fails:");
    try {
      back_up_in_spite_of_full_disks();
    } catch (const weft::ExceptionGroup& failures) {
      std::printf("What is left:\n%s\n", failures.what());
    }
  });
}
