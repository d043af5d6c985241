// Goal: as_completed gives each task once, as it ends, and leaves the tasks alone whatever becomes
// of the loop. Method: tasks that end in an order which events decide.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <array>
#include <stdexcept>
#include <vector>

#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;

TEST(AsCompleted, GivesEachAsItEnds) {
  weft::run([] {
    std::array<weft::Event, 3> go;
    std::vector<weft::Task<int>> tasks;
    for (int i = 0; i < 3; ++i) {
      tasks.push_back(weft::spawn([&go, i] {
        go[static_cast<std::size_t>(i)].wait();
        return i;
      }));
    }
    std::vector<int> order;
    go[2].set();
    for (auto& task : weft::as_completed(tasks)) {
      EXPECT_TRUE(task.done());
      order.push_back(task.get());
      if (order.size() == 1) go[0].set();
      if (order.size() == 2) go[1].set();
    }
    EXPECT_EQ(order, (std::vector<int>{2, 0, 1}));
  });
}

TEST(AsCompleted, GivesManyThatEndOnAllWorkersOnceEach) {
  weft::run([] {
    std::vector<weft::Task<int>> tasks;
    for (int i = 0; i < 500; ++i) {
      tasks.push_back(weft::spawn([i] {
        if (i % 3 == 0) weft::yield();
        return i;
      }));
    }
    std::vector<bool> seen(500, false);
    for (auto& task : weft::as_completed(tasks)) {
      const auto number = static_cast<std::size_t>(task.get());
      EXPECT_FALSE(seen[number]);
      seen[number] = true;
    }
    EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 500);
  });
}

TEST(AsCompleted, LeavesExceptionsToGet) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks{weft::spawn([] { throw std::runtime_error("a"); }),
                                        weft::spawn([] {})};
    int failed = 0, ended = 0;
    for (auto& task : weft::as_completed(tasks)) {
      ++ended;
      try {
        task.get();
      } catch (const std::runtime_error&) {
        ++failed;
      }
    }
    EXPECT_EQ(ended, 2);
    EXPECT_EQ(failed, 1);
  });
}

TEST(AsCompleted, OfNothingIsOverAtOnce) {
  weft::run([] {
    for (auto& task : weft::as_completed(std::vector<weft::Task<int>>())) {
      ADD_FAILURE() << task.id();
    }
    EXPECT_THROW(weft::as_completed(std::vector<weft::Task<int>>(1)), std::invalid_argument);
  });
}

TEST(AsCompleted, ThrowsWhenItsTimeIsUpAfterThoseThatHaveEnded) {
  weft::run([] {
    weft::Event never;
    const weft::Task<void> stuck = weft::spawn([&] { never.wait(); });
    const std::vector<weft::Task<void>> tasks{stuck, weft::spawn([] {})};
    int seen = 0;
    const auto loop = [&] {
      for (auto& task : weft::as_completed(tasks, 30ms)) {
        EXPECT_NE(task, stuck);
        ++seen;
      }
    };
    EXPECT_THROW(loop(), weft::TimeoutError);
    EXPECT_EQ(seen, 1);
    EXPECT_FALSE(stuck.done());
    EXPECT_EQ(stuck.cancelling(), 0u);
    never.set();
    stuck.join();
  });
}

TEST(AsCompleted, LeftInTheMiddleLeavesTheTasksAlone) {
  weft::run([] {
    weft::Event go;
    std::vector<weft::Task<int>> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(weft::spawn([&go, i] {
        if (i > 0) go.wait();
        return i;
      }));
    }
    for (auto& task : weft::as_completed(tasks)) {
      EXPECT_EQ(task.get(), 0);
      break;
    }
    go.set();
    EXPECT_EQ(weft::gather(tasks), (std::vector<int>{0, 1, 2, 3}));
  });
}

TEST(AsCompleted, CancelledLeavesTheTasksAlone) {
  weft::run([] {
    weft::Event go, waiting;
    std::vector<weft::Task<void>> tasks{weft::spawn([&] { go.wait(); })};
    const weft::Task<void> loop = weft::spawn([&] {
      waiting.set();
      for (auto& task : weft::as_completed(tasks)) task.get();
    });
    waiting.wait();
    loop.cancel();
    loop.join();
    EXPECT_TRUE(loop.cancelled());
    EXPECT_FALSE(tasks[0].done());
    go.set();
    tasks[0].get();
  });
}

}  // namespace
