// Goal: a debug build tells of a deadlock when it comes about, and of nothing that is none. Method:
// tasks that wait for one another in a circle, of which one is cancelled once the report has been
// seen; and tasks that contend for locks in an order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <thread>

#include "support/stderr_watch.h"

namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHeadline = "weft: deadlock: each of these waits for the next";

template <class First, class Second>
auto lock_both(First& first, Second& second, weft::Barrier& both_have_one) {
  return [&] {
    const std::unique_lock one(first);
    both_have_one.wait();
    const std::unique_lock other(second);
  };
}

/// Runs a program in which `stuck` tells of itself, and then cancels it.
template <class Program>
std::string report_of(Program program) {
  support::StderrWatch report;
  weft::run([&] {
    weft::Task<void> stuck = program();
    // Not from this task, which would keep its worker while it looks.
    std::thread observer([&] {
      EXPECT_TRUE(report.says("weft: deadlock: "));
      stuck.cancel();
    });
    stuck.join();
    weft::to_thread([&] { observer.join(); });
    EXPECT_TRUE(stuck.cancelled());
  });
  return report.finish();
}

TEST(Deadlock, OfTwoMutexesNamesBothTasks) {
  weft::Mutex a;
  weft::Mutex b;
  weft::Barrier both_have_one(2);
  std::optional<weft::Task<void>> other;
  const std::string report = report_of([&] {
    other = weft::spawn({.name = "other"}, lock_both(b, a, both_have_one));
    return weft::spawn({.name = "one"}, lock_both(a, b, both_have_one));
  });
  EXPECT_EQ(report.find(kHeadline), 0u) << report;
  EXPECT_THAT(report,
              ContainsRegex("\n  one, spawned at [^\n]*deadlock_test.cc:[0-9]+ in [^\n]*, "
                            "waits for a mutex at 0x[0-9a-f]+, held by other, spawned at "));
  EXPECT_THAT(report, ContainsRegex("\n  other, spawned at [^\n]*, waits for a mutex at "
                                    "0x[0-9a-f]+, held by one, spawned at "));
}

TEST(Deadlock, OfOneWithItself) {
  weft::FairMutex mutex;
  const std::string report = report_of([&] {
    return weft::spawn({.name = "twice"}, [&] {
      const std::lock_guard once(mutex);
      const std::lock_guard again(mutex);
    });
  });
  EXPECT_THAT(report, ContainsRegex("^weft: deadlock: this waits for itself\n  twice, "));
}

TEST(Deadlock, OfWriterAndReader) {
  weft::SharedMutex shared;
  weft::Mutex mutex;
  weft::Barrier both_have_one(2);
  std::optional<weft::Task<void>> reader;
  const std::string report = report_of([&] {
    reader = weft::spawn({.name = "reader"}, [&] {
      const std::shared_lock one(shared);
      both_have_one.wait();
      const std::unique_lock other(mutex);
    });
    return weft::spawn({.name = "writer"}, lock_both(mutex, shared, both_have_one));
  });
  EXPECT_THAT(report, ContainsRegex("writer, [^\n]* waits for a shared mutex at [^\n]*, held by "
                                    "reader,"));
}

TEST(Deadlock, OfParentAndChild) {
  weft::Mutex mutex;
  const std::string report = report_of([&] {
    return weft::spawn({.name = "parent"}, [&] {
      const std::lock_guard lock(mutex);
      weft::spawn({.name = "child"}, [&] { const std::lock_guard same(mutex); }).get();
    });
  });
  EXPECT_THAT(report, ContainsRegex("\n  parent, [^\n]*, waits for the end of child\n"));
  EXPECT_THAT(report,
              ContainsRegex("\n  child, [^\n]*, waits for a mutex at [^\n]*, held by parent"));
}

TEST(Deadlock, OfTaskAndThread) {
  weft::Mutex a;
  weft::Mutex b;
  weft::Barrier both_have_one(2);
  std::thread thread(lock_both(b, a, both_have_one));
  const std::string report =
      report_of([&] { return weft::spawn({.name = "task"}, lock_both(a, b, both_have_one)); });
  thread.join();
  EXPECT_THAT(report, ContainsRegex("task, [^\n]*, held by a thread"));
  EXPECT_THAT(report, ContainsRegex("\n  a thread, waits for [^\n]*, held by task"));
}

TEST(Deadlock, IsNotSaidOfThoseWhoOnlyContend) {
  support::StderrWatch report;
  std::atomic<int> rounds = 0;
  weft::run([&] {
    weft::Mutex a;
    weft::FairMutex b;
    weft::SharedMutex c;
    weft::task_group([&](weft::TaskGroup& group) {
      for (int task = 0; task < 8; ++task) {
        group.spawn([&, task] {
          for (int round = 0; round < 200; ++round) {
            const std::lock_guard first(a);
            if ((round + task) % 3 == 0) weft::yield();
            const std::lock_guard second(b);
            const std::shared_lock third(c);
            if ((round + task) % 5 == 0) weft::yield();
            ++rounds;
          }
        });
        group.spawn([&, task] {
          for (int round = 0; round < 200; ++round) {
            std::unique_lock<weft::SharedMutex> held(c);
            if ((round + task) % 7 == 0) weft::yield();
            held.unlock();
            const std::scoped_lock all(a, b);
            ++rounds;
          }
        });
      }
    });
  });
  EXPECT_EQ(report.finish(), "");
  EXPECT_EQ(rounds, 2 * 8 * 200);
}

// A lock that nobody gave back is held by a task that has ended, not by the one that came after it.
// Whether or not its descriptor serves another by then, which its handle prevents.
class DeadlockAfterTheEnd : public testing::TestWithParam<bool> {};

TEST_P(DeadlockAfterTheEnd, NamesTheHolder) {
  const bool keeps_handle = GetParam();
  support::StderrWatch report;
  weft::Event free;
  weft::Mutex mutex;
  std::thread rescuer([&] {
    EXPECT_TRUE(report.says("every task waits"));
    mutex.unlock();
  });
  weft::run(weft::Options{.debug = true}, [&] {
    weft::Task<void> forgetful = weft::spawn({.name = "forgetful"}, [&] { mutex.lock(); });
    forgetful.join();
    if (!keeps_handle) forgetful = {};
    weft::spawn({.name = "next"}, [&] { const std::lock_guard lock(mutex); }).get();
  });
  rescuer.join();
  const std::string text = report.finish();
  EXPECT_THAT(text,
              ContainsRegex("next, [^\n]*, waits for a mutex at [^\n]*, held by [^\n]*, which "
                            "has ended"));
  EXPECT_THAT(text, ContainsRegex("main, [^\n]*, waits for the end of next"));
  EXPECT_THAT(text, Not(HasSubstr("weft: deadlock")));
}

INSTANTIATE_TEST_SUITE_P(Handle, DeadlockAfterTheEnd, testing::Bool());

}  // namespace
