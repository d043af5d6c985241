// Goal: what a task is called, where it may be spawned and with how much stack. Method: options
// are given and looked at from inside and outside of the task; refusals must say what was wrong,
// and leave nothing behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using support::LiveCount;
using testing::HasSubstr;

// ---- Identity.

TEST(SpawnOptions, NameIsSeenInsideAndOutside) {
  weft::run([] {
    std::string name = "reader of a rather long name, longer than any small string";
    weft::Task<std::string> task =
        weft::spawn({.name = name}, [] { return weft::this_task::name(); });
    const std::string given = std::exchange(name, "gone");
    EXPECT_EQ(task.name(), given);
    EXPECT_EQ(task.get(), given);
    EXPECT_EQ(task.name(), given);
  });
}

TEST(SpawnOptions, TasksWithoutANameAreCalledByTheirId) {
  weft::run([] {
    weft::Task<std::string> task = weft::spawn([] { return weft::this_task::name(); });
    EXPECT_EQ(task.name(), "task-" + std::to_string(task.id()));
    EXPECT_EQ(task.get(), task.name());
  });
}

TEST(SpawnOptions, IdsAreNeverReused) {
  std::vector<std::uint64_t> ids;
  for (int round = 0; round < 3; ++round) {
    weft::run([&] {
      ids.push_back(weft::this_task::id());
      for (int i = 0; i < 500; ++i) {
        weft::Task<std::uint64_t> task = weft::spawn([] { return weft::this_task::id(); });
        EXPECT_EQ(task.get(), task.id());
        ids.push_back(task.id());
      }
    });
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_NE(ids.front(), 0u);
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(SpawnOptions, ThisTaskIsNobodyInAPlainThread) {
  EXPECT_EQ(weft::this_task::id(), 0u);
  EXPECT_EQ(weft::this_task::name(), "");
  EXPECT_FALSE(weft::this_task::cancel_requested());
  EXPECT_EQ(weft::this_task::cancelling(), 0u);
  EXPECT_EQ(weft::this_task::uncancel(), 0u);
  EXPECT_EQ(weft::run([] { return weft::to_thread([] { return weft::this_task::id(); }); }), 0u);
}

TEST(SpawnOptions, ThisTaskIsTheSameAfterEverySuspension) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 20; ++i) {
      tasks.push_back(weft::spawn([] {
        const std::uint64_t id = weft::this_task::id();
        for (int step = 0; step < 50; ++step) {
          weft::yield();
          ASSERT_EQ(weft::this_task::id(), id);
        }
      }));
    }
    weft::gather(tasks);
  });
}

TEST(SpawnOptions, HandlesCompareByTask) {
  weft::run([] {
    weft::Task<int> one = weft::spawn([] { return 1; });
    weft::Task<int> copy = one;
    weft::Task<int> two = weft::spawn([] { return 2; });
    EXPECT_EQ(one, copy);
    EXPECT_NE(one, two);
    EXPECT_TRUE(one.valid());
    weft::Task<int> moved = std::move(copy);
    EXPECT_EQ(one, moved);
    EXPECT_FALSE(weft::Task<int>().valid());
    EXPECT_EQ(weft::gather(one, two, moved), std::make_tuple(1, 2, 1));
  });
}

// ---- Where tasks may be spawned.

TEST(SpawnOptions, OutsideARuntimeSpawnThrows) {
  LiveCount live;
  try {
    weft::spawn([token = live.token()] {});
    FAIL() << "nothing was thrown";
  } catch (const std::logic_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("weft::spawn"));
    EXPECT_THAT(error.what(), HasSubstr("outside a runtime"));
  }
  EXPECT_EQ(live.alive(), 0);
  // A thread that runs nearby is no better.
  weft::Runtime runtime;
  EXPECT_THROW(weft::spawn([] {}), std::logic_error);
  runtime.run([] { weft::to_thread([] { EXPECT_THROW(weft::spawn([] {}), std::logic_error); }); });
}

TEST(SpawnOptions, OutsideARuntimeTheOthersThrowToo) {
  EXPECT_THROW(weft::gather([] {}, [] {}), std::logic_error);
  EXPECT_THROW(weft::to_thread([] {}), std::logic_error);
  EXPECT_THROW(weft::timeout(std::chrono::seconds(1), [] {}), std::logic_error);
}

// ---- Stacks.

TEST(SpawnOptions, StackSizeOutOfRangeIsRefusedByNameAndNumber) {
  weft::run([] {
    LiveCount live;
    for (std::size_t bad :
         {std::size_t{1}, std::size_t{16383}, (std::size_t{64} << 20) + 1, ~std::size_t{0}}) {
      try {
        weft::spawn({.stack_size = bad}, [token = live.token()] {});
        ADD_FAILURE() << "accepted " << bad;
      } catch (const std::invalid_argument& error) {
        EXPECT_THAT(error.what(), HasSubstr("stack_size"));
        EXPECT_THAT(error.what(), HasSubstr(std::to_string(bad)));
        EXPECT_THAT(error.what(), HasSubstr("16384"));
        EXPECT_THAT(error.what(), HasSubstr("67108864"));
      }
    }
    EXPECT_EQ(live.alive(), 0);
  });
}

[[gnu::noinline]] int use_stack(std::size_t bytes) {
  volatile char frame[1024];
  for (std::size_t i = 0; i < sizeof frame; i += 64) frame[i] = 1;
  if (bytes <= sizeof frame) return frame[0];
  return use_stack(bytes - sizeof frame) + frame[64];
}

TEST(SpawnOptions, EveryStackSizeInRangeCanBeUsed) {
  weft::run([] {
    // An instrumented frame takes several times its size.
    const std::size_t share = support::kSanitized ? 8 : 2;
    for (std::size_t size = std::size_t{64} << 10; size <= std::size_t{64} << 20; size *= 4) {
      EXPECT_GT(weft::spawn({.stack_size = size}, [=] { return use_stack(size / share); }).get(),
                0);
    }
    EXPECT_EQ(weft::spawn({.stack_size = 16 << 10}, [] { return 1; }).get(), 1);
    // Sizes between two powers of two get the larger one.
    EXPECT_GT(
        weft::spawn({.stack_size = 600'000}, [=] { return use_stack(600'000 / share); }).get(), 0);
  });
}

TEST(SpawnOptions, TasksOfAllStackSizesMix) {
  weft::run([] {
    std::vector<weft::Task<int>> tasks;
    for (int i = 0; i < 300; ++i) {
      const std::size_t size = std::size_t{32 << 10} << (i % 4);
      tasks.push_back(weft::spawn({.stack_size = size}, [i] {
        weft::yield();
        return i;
      }));
    }
    const std::vector<int> results = weft::gather(tasks);
    for (int i = 0; i < 300; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)], i);
  });
}

}  // namespace
