// Goal: a call is made once, by one, and the others wait for it; one that fails is made again. A
// synchronized value is reached by one at a time. Method: many fibers and threads at once.

#include <weft/once.h>

#include <gtest/gtest.h>
#include <weft/synchronized.h>
#include <weft/weft.h>

#include <atomic>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

TEST(Once, CallsOnceAndAllSeeTheResult) {
  weft::Runtime runtime;
  weft::OnceFlag flag;
  std::atomic<int> calls{0};
  int made = 0;
  const auto use = [&] {
    weft::call_once(
        flag,
        [&](int value) {
          ++calls;
          weft::yield();
          made = value;
        },
        7);
    EXPECT_EQ(made, 7);
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back(use);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(runtime.post(use));
    for (const auto& task : tasks) task.join();
  }
  EXPECT_EQ(calls, 1);
}

TEST(Once, ThatThrowsIsTriedAgain) {
  weft::OnceFlag flag;
  int calls = 0;
  const auto fails_first = [&] {
    if (++calls == 1) throw std::runtime_error("first");
  };
  EXPECT_THROW(weft::call_once(flag, fails_first), std::runtime_error);
  weft::call_once(flag, fails_first);
  weft::call_once(flag, fails_first);
  EXPECT_EQ(calls, 2);
}

TEST(Once, ThatIsCancelledIsLeftToTheNext) {
  weft::run(weft::Options{.workers = 1, .fifo = true}, [] {
    weft::OnceFlag flag;
    std::string log;
    const auto call = [&](char name) {
      weft::call_once(flag, [&] {
        log += name;
        for (int i = 0; i < 5; ++i) weft::yield();
        log += '.';
      });
    };
    const weft::Task<void> first = weft::spawn([&] { call('a'); });
    const weft::Task<void> second = weft::spawn([&] { call('b'); });
    weft::yield();
    first.cancel();
    second.join();
    EXPECT_EQ(log, "ab.");
    EXPECT_TRUE(first.cancelled());
  });
}

TEST(Once, MakesAValueWhenItIsAskedFor) {
  int made = 0;
  const weft::Once<std::string> text([&] {
    ++made;
    return std::string("made");
  });
  EXPECT_EQ(made, 0);
  EXPECT_EQ(*text, "made");
  EXPECT_EQ(text->size(), 4u);
  EXPECT_EQ(made, 1);
}

TEST(Synchronized, IsReachedByOneAtATime) {
  weft::Runtime runtime;
  weft::Synchronized<std::map<int, int>> counts;
  std::vector<weft::Task<void>> tasks;
  for (int t = 0; t < 6; ++t) {
    tasks.push_back(runtime.post([&] {
      for (int i = 0; i < 200; ++i) {
        counts.with([&](auto& map) { ++map[i % 10]; });
        ++counts.lock()->at(i % 10);
      }
    }));
  }
  for (const auto& task : tasks) task.join();
  EXPECT_EQ(counts.copy().at(3), 6 * 40);
  const auto& fixed = counts;
  EXPECT_EQ(fixed.with([](const auto& map) { return map.size(); }), 10u);
}

TEST(Synchronized, ServesAConditionVariable) {
  weft::run([] {
    weft::Synchronized<int> value(0);
    weft::ConditionVariable changed;
    const weft::Task<void> setter = weft::spawn([&] {
      *value.lock() = 5;
      changed.notify_all();
    });
    auto locked = value.lock();
    changed.wait(locked.mutex(), [&] { return *locked == 5; });
    EXPECT_EQ(*locked, 5);
  });
}

}  // namespace
