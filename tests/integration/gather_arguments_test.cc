// Goal: gather takes whatever can be called or waited for, leaves to others what is theirs, and
// says what it cannot take. Method: callables that count their copies or have none, and tasks that
// somebody else holds.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <functional>
#include <list>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "support/counter.h"
#include "support/live_count.h"
#include "support/task_steps.h"

namespace {

using support::Counter;
using support::LiveCount;

TEST(GatherArguments, TakesAnyInputRange) {
  weft::run([] {
    const Counter five(5);
    EXPECT_EQ(weft::gather(five), (std::vector<long>{0, 1, 2, 3, 4}));
    EXPECT_EQ(weft::gather(Counter(2)), (std::vector<long>{0, 1}));
    std::list<weft::Task<int>> tasks;
    for (int i = 0; i < 3; ++i) tasks.push_back(weft::spawn([i] { return i; }));
    EXPECT_EQ(weft::gather(tasks), (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(weft::gather(std::as_const(tasks)), (std::vector<int>{0, 1, 2}));
    EXPECT_EQ(weft::gather(std::move(tasks)), (std::vector<int>{0, 1, 2}));
  });
}

TEST(GatherArguments, TakesTasksAndCallablesTogether) {
  weft::run([] {
    weft::Event go;
    weft::Task<int> waits = weft::spawn([&] {
      go.wait();
      return 1;
    });
    weft::Task<std::string> ended = weft::spawn([] { return std::string("early"); });
    ended.join();
    auto [a, b, c] = weft::gather(waits, ended, [&] {
      go.set();
      return 2;
    });
    EXPECT_EQ(a, 1);
    EXPECT_EQ(b, "early");
    EXPECT_EQ(c, 2);
    // A task keeps its result for others.
    EXPECT_EQ(ended.get(), "early");
  });
}

TEST(GatherArguments, TakesTheSameTaskTwice) {
  weft::run([] {
    weft::Event go;
    weft::Task<std::string> task = weft::spawn([&] {
      go.wait();
      return std::string("same");
    });
    auto [a, b, c] = weft::gather(task, task, [&] { go.set(); });
    EXPECT_EQ(a, "same");
    EXPECT_EQ(b, "same");
    const std::vector<weft::Task<std::string>> many(20, task);
    EXPECT_EQ(weft::gather(many), std::vector<std::string>(20, "same"));

    weft::Task<int> failed = weft::spawn([]() -> int { throw 5; });
    EXPECT_THROW(weft::gather(failed, failed), int);
  });
}

TEST(GatherArguments, CopiesLvaluesAndMovesTemporaries) {
  LiveCount live;
  weft::run([&] {
    const auto lvalue = [token = live.token()] { return 1; };
    EXPECT_EQ(weft::gather(lvalue, lvalue), std::make_tuple(1, 1));
    EXPECT_EQ(live.made(), 3);
    EXPECT_EQ(live.alive(), 1);
    weft::gather([token = live.token()] { return 1; });
    EXPECT_EQ(live.made(), 4);

    std::vector<std::remove_const_t<decltype(lvalue)>> range(3, lvalue);
    const int before = live.made();
    weft::gather(range);
    EXPECT_EQ(live.made(), before + 3);
    weft::gather(std::move(range));
    EXPECT_EQ(live.made(), before + 3);
  });
  EXPECT_EQ(live.alive(), 0);
}

TEST(GatherArguments, TakesMoveOnlyCallables) {
  weft::run([] {
    auto number = std::make_unique<int>(4);
    auto [four] = weft::gather([number = std::move(number)] { return *number; });
    EXPECT_EQ(four, 4);
    const auto make = [](int n) { return [n = std::make_unique<int>(n)] { return *n; }; };
    std::vector<decltype(make(0))> range;
    for (int i = 0; i < 3; ++i) range.push_back(make(i));
    EXPECT_EQ(weft::gather(std::move(range)), (std::vector<int>{0, 1, 2}));
  });
}

TEST(GatherArguments, TakesCallablesOutOfATemporaryButNotThroughAView) {
  weft::run([] {
    const auto make = [] {
      std::vector<std::function<int()>> made;
      for (int i = 0; i < 3; ++i) made.emplace_back([i] { return i; });
      return made;
    };
    std::vector<std::function<int()>> own = make();
    EXPECT_EQ(weft::gather(std::span(own)), (std::vector{0, 1, 2}));
    for (const auto& callable : own) EXPECT_TRUE(callable) << "it was only lent";
    const auto make_one = [](int n) {
      return [number = std::make_unique<int>(n)] { return *number; };
    };
    std::vector<decltype(make_one(0))> given;
    given.push_back(make_one(7));
    EXPECT_EQ(weft::gather(std::move(given)), std::vector{7});
  });
}

TEST(GatherArguments, WaitingForItselfIsAnError) {
  weft::run([] {
    weft::Task<void> self;
    weft::Event known;
    self = weft::spawn([&] {
      known.wait();
      const weft::Task<void> other = weft::spawn(support::sleep_forever);
      bool runs = false;
      const auto child = [&] {
        runs = true;
        support::sleep_until_cancelled();
        runs = false;
      };
      EXPECT_THROW(weft::gather(child, other, self), std::logic_error);
      EXPECT_FALSE(runs) << "what the gather had started is cancelled, and waited for";
      EXPECT_EQ(other.cancelling(), 0u) << "what others had started is not";
      EXPECT_FALSE(weft::this_task::cancel_requested());
      other.cancel();
    });
    known.set();
    self.get();
  });
}

TEST(GatherArguments, OutsideAFiberIsAnErrorAndLeavesTasksAlone) {
  weft::Runtime runtime;
  weft::Event go;
  weft::Task<int> task = runtime.post([&] {
    go.wait();
    return 5;
  });
  EXPECT_THROW(weft::gather(task), std::logic_error);
  EXPECT_THROW(weft::gather(task, [] {}), std::logic_error);
  go.set();
  EXPECT_EQ(task.get(), 5);
}

}  // namespace
