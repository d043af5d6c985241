// Goal: all_tasks lists the tasks that have not ended, with what is known of them, and reports in
// debug mode name what is wrong. Method: tasks that wait for events; standard error, captured.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/weft.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "support/task_steps.h"

namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const weft::TaskInfo& task : weft::all_tasks()) all.push_back(task.name());
  return all;
}

TEST(AllTasks, ListsThoseThatHaveNotEnded) {
  weft::run([] {
    weft::Event never;
    const weft::Task<void> waits = weft::spawn({.name = "waits"}, [&] { never.wait(); });
    const weft::Task<void> ended = weft::spawn({.name = "has ended"}, [] {});
    ended.join();
    EXPECT_EQ(names(), (std::vector<std::string>{"main", "waits"}));
    never.set();
    waits.join();
    EXPECT_EQ(names(), std::vector<std::string>{"main"});
  });
}

TEST(AllTasks, TellsWhereTheyComeFrom) {
  weft::run([] {
    weft::Event never;
    const weft::Task<void> task = weft::spawn([&] { never.wait(); });
    const auto line = static_cast<std::uint32_t>(__LINE__ - 1);
    const std::vector<weft::TaskInfo> tasks = weft::all_tasks();
    ASSERT_EQ(tasks.size(), 2u);
    EXPECT_EQ(tasks[1].id(), task.id());
    EXPECT_EQ(tasks[1].name(), task.name());
    EXPECT_EQ(tasks[1].site().line, line);
    EXPECT_THAT(tasks[1].site().file, HasSubstr("all_tasks_test"));
    never.set();
    task.join();
  });
}

TEST(AllTasks, CanBeCancelled) {
  std::vector<weft::TaskInfo> old;
  weft::run([&] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 20; ++i) tasks.push_back(weft::spawn([] { support::sleep_forever(); }));
    old = weft::all_tasks();
    EXPECT_EQ(old.size(), 21u);
    for (const weft::TaskInfo& task : old) {
      EXPECT_FALSE(task.done());
      if (task.id() != weft::this_task::id()) {
        EXPECT_TRUE(task.cancel());
      }
    }
    for (const auto& task : tasks) {
      task.join();
      EXPECT_TRUE(task.cancelled());
    }
    for (const weft::TaskInfo& task : old) {
      EXPECT_EQ(task.done(), task.id() != weft::this_task::id());
    }
    EXPECT_FALSE(old.back().cancel());
  });
  EXPECT_TRUE(old[0].done());
  EXPECT_FALSE(old[0].cancel()) << "although its runtime has gone";
}

TEST(AllTasks, CanBeListedWhileTheyComeAndGo) {
  weft::run([] {
    std::vector<weft::Task<void>> makers;
    for (int maker = 0; maker < 4; ++maker) {
      makers.push_back(weft::spawn({.name = "maker"}, [] {
        for (int i = 0; i < 300; ++i) {
          const std::string name = "a name too long for any buffer " + std::to_string(i);
          weft::spawn({.name = name}, [] { weft::yield(); }).join();
        }
      }));
    }
    while (!makers[0].done()) {
      for (const weft::TaskInfo& task : weft::all_tasks()) {
        EXPECT_THAT(task.name(),
                    testing::AnyOf("main", "maker", HasSubstr("too long"), HasSubstr("task-")));
      }
      weft::yield();
    }
    weft::gather(makers);
  });
}

TEST(AllTasks, NeedsAFiber) { EXPECT_THROW(weft::all_tasks(), std::logic_error); }

TEST(ThisTask, CanAskItselfToStop) {
  weft::run([] {
    const weft::Task<void> task = weft::spawn([] {
      EXPECT_TRUE(weft::this_task::cancel());
      EXPECT_TRUE(weft::this_task::cancel_requested());
      weft::yield();
      ADD_FAILURE() << "went on";
    });
    task.join();
    EXPECT_TRUE(task.cancelled());
  });
  EXPECT_FALSE(weft::this_task::cancel());
}

TEST(Debug, NamesTasksThatArePendingAtTheEnd) {
  const auto leave_one_behind = [](bool debug) {
    testing::internal::CaptureStderr();
    weft::run(weft::Options{.debug = debug}, [] {
      weft::spawn({.name = "left behind"}, [] { support::sleep_forever(); });
      weft::spawn([] {}).join();
    });
    return testing::internal::GetCapturedStderr();
  };
  const std::string report = leave_one_behind(true);
  EXPECT_THAT(report, HasSubstr("left behind, spawned at "));
  EXPECT_THAT(report, HasSubstr("was still pending when the runtime ended"));
  EXPECT_THAT(report, HasSubstr("all_tasks_test.cc:"));
  EXPECT_THAT(report, Not(HasSubstr("task-"))) << "the other had ended";
  EXPECT_EQ(leave_one_behind(false), "");
}

}  // namespace
