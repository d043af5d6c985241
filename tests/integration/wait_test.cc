// Goal: wait says which tasks have ended, when it was asked to, and touches none of them. Method:
// tasks that are kept from ending by events.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::kGenerous;

std::vector<int> values(std::vector<weft::Task<int>>& tasks) {
  std::vector<int> all;
  for (auto& task : tasks) all.push_back(task.get());
  return all;
}

weft::Task<int> waits_for(weft::Event& event, int value) {
  return weft::spawn([&event, value] {
    event.wait();
    return value;
  });
}

TEST(Wait, ForAllGivesThemInTheOrderOfTheArguments) {
  weft::run([] {
    std::vector<weft::Task<int>> tasks;
    for (int i = 0; i < 50; ++i) {
      tasks.push_back(weft::spawn([i] {
        for (int turns = 50 - i; turns > 0; --turns) weft::yield();
        return i;
      }));
    }
    auto [done, pending] = weft::wait(tasks);
    EXPECT_TRUE(pending.empty());
    const std::vector<int> all = values(done);
    ASSERT_EQ(all.size(), 50u);
    for (int i = 0; i < 50; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
  });
}

TEST(Wait, ForTheFirstLeavesTheRest) {
  weft::run([] {
    weft::Event first, rest;
    const std::vector<weft::Task<int>> tasks{waits_for(rest, 1), waits_for(first, 2),
                                             waits_for(rest, 3)};
    first.set();
    auto [done, pending] = weft::wait(tasks, weft::first_completed);
    EXPECT_EQ(values(done), std::vector<int>{2});
    ASSERT_EQ(pending.size(), 2u);
    EXPECT_EQ(pending[0], tasks[0]);
    rest.set();
    EXPECT_EQ(values(pending), (std::vector<int>{1, 3}));
  });
}

TEST(Wait, ForTheFirstExceptionMindsNeitherValuesNorCancelled) {
  weft::run([] {
    weft::Event never, fails;
    std::vector<weft::Task<void>> tasks;
    tasks.push_back(weft::spawn([] {}));
    tasks.push_back(weft::spawn([&] { never.wait(); }));
    tasks.push_back(weft::spawn([&] {
      fails.wait();
      throw std::runtime_error("the one");
    }));
    tasks.push_back(weft::spawn([&] { never.wait(); }));
    tasks[1].cancel();
    const weft::Task<void> setter = weft::spawn([&] {
      tasks[0].join();
      tasks[1].join();
      for (int i = 0; i < 20; ++i) weft::yield();
      fails.set();
    });
    const auto [done, pending] = weft::wait(tasks, weft::first_exception);
    EXPECT_TRUE(tasks[2].done());
    EXPECT_EQ(pending.size(), 1u);
    EXPECT_THROW(tasks[2].get(), std::runtime_error);
    tasks[3].cancel();
    tasks[3].join();
  });
}

TEST(Wait, EndsWithItsTimeAndNothingIsCancelled) {
  weft::run([] {
    weft::Event never;
    const std::vector<weft::Task<int>> tasks{weft::spawn([] { return 1; }), waits_for(never, 2)};
    auto result = weft::wait(tasks, 30ms);
    EXPECT_EQ(values(result.done), std::vector<int>{1});
    ASSERT_EQ(result.pending.size(), 1u);
    EXPECT_EQ(tasks[1].cancelling(), 0u);
    result = weft::wait(tasks, weft::first_completed, 0ms);
    EXPECT_EQ(result.done.size(), 1u);
    never.set();
    result = weft::wait(tasks, weft::all_completed, kGenerous);
    EXPECT_EQ(result.done.size(), 2u);
  });
}

TEST(Wait, CancelledLeavesTheTasksAlone) {
  weft::run([] {
    weft::Event go, waiting;
    std::vector<weft::Task<int>> tasks{waits_for(go, 1)};
    const weft::Task<void> waiter = weft::spawn([&] {
      waiting.set();
      weft::wait(tasks);
    });
    waiting.wait();
    waiter.cancel();
    waiter.join();
    EXPECT_TRUE(waiter.cancelled());
    EXPECT_FALSE(tasks[0].done());
    go.set();
    EXPECT_EQ(tasks[0].get(), 1);
  });
}

TEST(Wait, CountsATaskOnce) {
  weft::run([] {
    const weft::Task<int> task = weft::spawn([] { return 1; });
    const std::vector<weft::Task<int>> tasks(5, task);
    EXPECT_EQ(weft::wait(tasks).done.size(), 1u);
  });
}

TEST(Wait, RefusesWhatItCannotWaitFor) {
  weft::run([] {
    EXPECT_THROW(weft::wait(std::vector<weft::Task<int>>()), std::invalid_argument);
    EXPECT_THROW(weft::wait(std::vector<weft::Task<int>>(2)), std::invalid_argument);
    EXPECT_THROW(weft::gather(weft::Task<int>()), std::invalid_argument);
    weft::Event ready;
    weft::Task<void> self;
    self = weft::spawn([&] {
      ready.wait();
      EXPECT_THROW(weft::wait(std::vector<weft::Task<void>>{self}), std::logic_error);
    });
    ready.set();
    self.join();
    self = {};
  });
}

TEST(Wait, LetsAPlainThreadWait) {
  weft::Runtime runtime;
  weft::Event go;
  const std::vector<weft::Task<int>> tasks{runtime.post([&] {
    go.wait();
    return 5;
  })};
  EXPECT_EQ(weft::wait(tasks, 10ms).pending.size(), 1u);
  std::jthread setter([&] { go.set(); });
  auto result = weft::wait(tasks);
  EXPECT_EQ(values(result.done), std::vector<int>{5});
}

TEST(Wait, KeepsNothingOfATaskThatNobodyHolds) {
  support::LiveCount live;
  weft::run([&] {
    weft::wait(std::vector<weft::Task<void>>{weft::spawn([token = live.token()] {})});
    EXPECT_EQ(live.alive(), 0);
  });
}

}  // namespace
