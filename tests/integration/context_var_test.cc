// Goal: each task has its own value of a variable, inherited at birth. Method: values that are
// changed on all sides of a spawn, a thread and a callback.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

weft::ContextVar<std::string> g_request("request", "none");
weft::ContextVar<int> g_number("number");

TEST(ContextVar, IsTheDefaultUntilItIsSet) {
  weft::run([] {
    EXPECT_EQ(g_request.get(), "none");
    EXPECT_EQ(g_request.get("other"), "other");
    EXPECT_EQ(g_number.get(7), 7);
    try {
      g_number.get();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::out_of_range& error) {
      EXPECT_NE(std::string(error.what()).find("'number'"), std::string::npos);
    }
    g_request.set("a");
    EXPECT_EQ(g_request.get(), "a");
    EXPECT_EQ(g_request.get("other"), "a");
  });
  EXPECT_EQ(g_request.get(), "none") << "it was the task's";
}

// NOLINTBEGIN(bugprone-use-after-move): a token that was refused is still there
TEST(ContextVar, IsResetByItsTokenOnceAndInItsTask) {
  weft::run([] {
    auto first = g_request.set("a");
    auto second = g_request.set("b");
    g_request.reset(std::move(second));
    EXPECT_EQ(g_request.get(), "a");
    EXPECT_THROW(g_request.reset(std::move(second)), std::logic_error);
    weft::spawn([&] {
      EXPECT_THROW(g_request.reset(std::move(first)), std::invalid_argument);
    }).get();
    weft::ContextVar<std::string> other("other");
    EXPECT_THROW(other.reset(std::move(first)), std::invalid_argument);
    g_request.reset(std::move(first));
    EXPECT_EQ(g_request.get(), "none");
  });
}
// NOLINTEND(bugprone-use-after-move)

TEST(ContextVar, IsInheritedAtSpawnAndThenOnesOwn) {
  weft::run([] {
    g_request.set("parent");
    weft::Event changed, seen;
    const weft::Task<void> child = weft::spawn([&] {
      changed.wait();
      EXPECT_EQ(g_request.get(), "parent");
      g_request.set("child");
      weft::spawn([] { EXPECT_EQ(g_request.get(), "child"); }).get();
      seen.set();
    });
    g_request.set("parent, later");
    changed.set();
    seen.wait();
    EXPECT_EQ(g_request.get(), "parent, later");
  });
}

TEST(ContextVar, StaysWithItsTaskOnWhateverWorker) {
  weft::run([] {
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 100; ++i) {
      tasks.push_back(weft::spawn([i] {
        g_number.set(i);
        for (int turn = 0; turn < 20; ++turn) {
          weft::yield();
          EXPECT_EQ(g_number.get(), i);
          auto token = g_number.set(-i);
          weft::yield();
          EXPECT_EQ(g_number.get(), -i);
          g_number.reset(std::move(token));
        }
      }));
    }
    weft::gather(tasks);
  });
}

TEST(ContextVar, IsSeenByGatherGroupsCallbacksAndThreads) {
  weft::run([] {
    g_request.set("seen");
    const auto look = [] { return g_request.get(); };
    auto [a, b] = weft::gather(look, look);
    EXPECT_EQ(a + b, "seenseen");
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn({.name = "named"}, [&] { EXPECT_EQ(look(), "seen"); });
    });
    EXPECT_EQ(weft::shield(look), "seen");
    EXPECT_EQ(weft::to_thread([&] {
                auto found = look();
                g_request.set("thread");
                return found;
              }),
              "seen");
    EXPECT_EQ(g_request.get(), "seen");
    weft::Event called;
    weft::Task<void> task = weft::spawn([] { weft::yield(); });
    task.add_done_callback([&](const weft::Task<void>&) {
      EXPECT_EQ(look(), "seen");
      called.set();
    });
    g_request.set("later");
    called.wait();
  });
}

TEST(ContextVar, OfAThreadIsHandedToWhatItRuns) {
  auto token = g_number.set(5);
  weft::Runtime runtime;
  EXPECT_EQ(runtime.run([] {
    const int before = g_number.get();
    g_number.set(6);
    return before;
  }),
            5);
  EXPECT_EQ(runtime.post([] { return g_number.get(); }).get(), 5);
  EXPECT_EQ(g_number.get(), 5);
  std::jthread([] { EXPECT_EQ(g_number.get(0), 0); }).join();
  g_number.reset(std::move(token));
  EXPECT_EQ(g_number.get(0), 0);
}

TEST(ContextVar, KeepsNoValueLongerThanItsTasks) {
  support::LiveCount live;
  weft::ContextVar<support::LiveCount::Token> token("token");
  weft::run([&] {
    weft::Task<int> kept = weft::spawn([&] {
      token.set(live.token());
      weft::spawn([] { weft::yield(); });
      return 1;
    });
    kept.join();
    while (weft::all_tasks().size() > 1) weft::yield();
    EXPECT_EQ(live.alive(), 0) << "although there is a handle to the task";
    EXPECT_EQ(kept.get(), 1);
    weft::Task<void> never = weft::spawn({.name = "never starts"}, [] {});
    never.cancel();
    never.join();
  });
}

}  // namespace
