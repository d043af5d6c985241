// Goal: nobody who is ready waits for ever because of others, also where turns are so long that a
// worker looks after timers and the driver between any two. Method: tasks that compute for a
// millisecond a turn, of each kind that has a queue of its own, for so many turns that each must
// have had some.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Clock;

void compute() {
  const Clock::time_point end = Clock::now() + 1ms;
  while (Clock::now() < end) {
  }
}

// A driver that has something to wait for.
class Listening {
 public:
  Listening() {
    accepting_ = weft::spawn([this] { listener_.accept(); });
    weft::yield();
  }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;
  ~Listening() {
    accepting_.cancel();
    accepting_.join();
  }

 private:
  weft::TcpListener listener_ = weft::TcpListener::bind("127.0.0.1", 0);
  weft::Task<void> accepting_;
};

// Threads have tasks made, one after the other; so there is always one that comes from outside.
TEST(Turns, OfThoseWhoComeFromOutsideLeaveSomeToTheOthers) {
  weft::Runtime runtime({.workers = 1});
  constexpr int kEnough = 200;
  std::atomic<bool> over{false};
  std::atomic<int> ticks{0};
  weft::Task<void> ticker = runtime.post([&] {
    for (; !over; ++ticks) weft::sleep_for(1ms);
  });
  // So that the worker always has something to look after.
  weft::Task<void> sleeper = runtime.post([] { weft::sleep_for(1h); });
  std::array<int, 3> made{};
  std::vector<std::thread> threads;
  for (int& count : made) {
    threads.emplace_back([&] {
      for (; !over; ++count) {
        runtime.post(compute).get();
        if (count == kEnough) over = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(ticks, 20);
  EXPECT_GE(*std::min_element(made.begin(), made.end()), 20);
  ticker.join();
  sleeper.cancel();
  sleeper.join();
}

TEST(Turns, OfPinnedTasksAndOfOthersAlternate) {
  for (int round = 0; round < support::scaled(4); ++round) {
    weft::run(weft::Options{.workers = 2}, [] {
      const Listening driver;
      constexpr int kEnough = 200;
      std::atomic<bool> over{false};
      const auto take_turns = [&over](bool pinned) {
        std::optional<weft::PinScope> pin;
        if (pinned) pin.emplace();
        int turns = 0;
        for (; !over; ++turns) {
          compute();
          if (turns == kEnough) over = true;
          weft::yield();
        }
        return turns;
      };
      std::vector<weft::Task<int>> tasks;
      for (int i = 0; i < 12; ++i) {
        tasks.push_back(weft::spawn([&take_turns, i] { return take_turns(i % 3 != 0); }));
      }
      int fewest = kEnough;
      for (weft::Task<int>& task : tasks) fewest = std::min(fewest, std::move(task).get());
      EXPECT_GE(fewest, 6);
    });
  }
}

// However many they are, and though those that have started never end.
TEST(Turns, OfThoseWhoStartedLeaveSomeToThoseWhoDidNot) {
  for (const unsigned workers : {1U, 2U}) {
    weft::Runtime runtime({.workers = workers});
    runtime.run([] {
      constexpr int kMany = 300;
      std::atomic<int> started{0};
      std::atomic<bool> over{false};
      std::vector<weft::Task<void>> tasks;
      for (int i = 0; i < kMany; ++i) {
        tasks.push_back(weft::spawn([&] {
          for (++started; !over; weft::yield()) compute();
        }));
      }
      const auto end = Clock::now() + 30s;
      while (started < kMany && Clock::now() < end) weft::sleep_for(1ms);
      EXPECT_EQ(started, kMany);
      over = true;
      for (weft::Task<void>& task : tasks) task.get();
    });
  }
}

// How many nodes of a tree of tasks are open at a time. A leaf takes a while.
class Tree {
 public:
  void walk(int depth) {
    if (depth == 0) {
      for (const Clock::time_point end = Clock::now() + 1us; Clock::now() < end;) {
      }
      return;
    }
    const int open = ++open_;
    for (int most = most_; most < open && !most_.compare_exchange_weak(most, open);) {
    }
    std::array<weft::Task<void>, 10> children;
    for (weft::Task<void>& child : children) child = weft::spawn([=, this] { walk(depth - 1); });
    for (weft::Task<void>& child : children) child.get();
    --open_;
  }
  int most_open() const { return most_; }

 private:
  std::atomic<int> open_{0};
  std::atomic<int> most_{0};
};

// Its branches wait for longer than a tenth of a second to be started. Where all that wait so long
// were started, thousands were open.
TEST(Turns, ATreeOfTasksIsWalkedInDepthHoweverLongThatTakes) {
  for (const unsigned workers : {1U, 2U}) {
    weft::Runtime runtime({.workers = workers});
    Tree tree;
    runtime.run([&] { tree.walk(support::kChaos ? 3 : support::kSanitized ? 5 : 6); });
    EXPECT_LE(tree.most_open(), 1000) << workers << " workers";
  }
}

}  // namespace
