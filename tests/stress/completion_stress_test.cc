// Goal: whoever waits for the end of tasks, or for a future, or is called at it, learns of each end
// once, however ends, cancellations, limits and removals fall together. Method: random programs in
// random runtimes, whose outcomes are counted and compared afterwards.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/live_count.h"
#include "support/rounds.h"
#include "support/seed.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::Random;
using support::scaled;

weft::Options random_options(Random& random) {
  return {.workers = 1u + static_cast<unsigned>(random.below(4)), .fifo = random.one_in(4)};
}

void dawdle(Random& random) {
  for (int i = random.below(6); i > 0; --i) weft::yield();
  if (random.one_in(4)) weft::sleep_for(std::chrono::microseconds(random.below(50)));
}

/// Tasks that return their number, or fail, or are cancelled.
std::vector<weft::Task<int>> some_tasks(Random& random, LiveCount& live) {
  std::vector<weft::Task<int>> tasks;
  for (int i = random.below(9); i >= 0; --i) {
    tasks.push_back(weft::spawn([i, mine = random.split(), token = live.token()]() mutable {
      dawdle(mine);
      if (mine.one_in(5)) throw std::runtime_error("failed");
      return i;
    }));
    if (random.one_in(6)) tasks.back().cancel();
  }
  return tasks;
}

/// Waits until all have ended, whoever is cancelled, and reads what they threw.
void see_out(const std::vector<weft::Task<int>>& tasks) {
  for (const auto& task : tasks) {
    while (!task.done()) {
      try {
        task.join();
      } catch (const weft::Cancelled&) {
      }
    }
    task.exception();
  }
}

/// Runs `body(Random)` as a task, which is perhaps cancelled, again and again.
template <class F>
void cancelled_at_random(F body) {
  support::for_rounds(2s, [=](std::uint64_t stream) {
    Random random(stream);
    weft::run(random_options(random), [&] {
      for (int i = 0; i < scaled(100); ++i) {
        const weft::Task<void> task =
            weft::spawn([&body, mine = random.split()]() mutable { body(mine); });
        if (random.one_in(2)) {
          for (int turns = random.below(15); turns > 0; --turns) weft::yield();
          task.cancel();
        }
        task.join();
        if (!task.cancelled()) {
          EXPECT_EQ(task.exception(), nullptr);
        }
      }
    });
  });
}

TEST(CompletionStress, WaitCountsEachTaskOnce) {
  cancelled_at_random([](Random& random) {
    LiveCount live;
    {
      const auto tasks = some_tasks(random, live);
      const weft::ReturnWhen whens[] = {weft::all_completed, weft::first_completed,
                                        weft::first_exception};
      const weft::ReturnWhen when = whens[random.below(3)];
      const bool limited = random.one_in(3);
      try {
        const auto [done, pending] =
            limited ? weft::wait(tasks, when, std::chrono::microseconds(random.below(200)))
                    : weft::wait(tasks, when);
        EXPECT_EQ(done.size() + pending.size(), tasks.size());
        EXPECT_TRUE(limited || !done.empty());
        EXPECT_TRUE(limited || when != weft::all_completed || pending.empty());
      } catch (const weft::Cancelled&) {
        for (const auto& task : tasks) task.cancel();
      }
      see_out(tasks);
    }
    EXPECT_EQ(live.alive(), 0);
  });
}

TEST(CompletionStress, AsCompletedGivesEachTaskOnce) {
  cancelled_at_random([](Random& random) {
    LiveCount live;
    auto tasks = some_tasks(random, live);
    std::size_t seen = 0;
    const bool leaves = random.one_in(4);
    try {
      for (auto& task : weft::as_completed(tasks)) {
        EXPECT_TRUE(task.done());
        ++seen;
        if (leaves) break;
      }
      EXPECT_EQ(seen, leaves ? 1 : tasks.size());
    } catch (const weft::Cancelled&) {
      EXPECT_LT(seen, tasks.size());
    }
    see_out(tasks);
  });
}

// Each callback is called or removed; a removal that succeeded is one that was not called.
TEST(CompletionStress, CallbacksAreCalledOrRemoved) {
  support::for_rounds(2s, [](std::uint64_t stream) {
    Random random(stream);
    std::atomic<int> called{0};
    int added = 0, removed = 0;
    LiveCount live;
    weft::run(random_options(random), [&] {
      for (int i = 0; i < scaled(200); ++i) {
        const weft::Task<void> task =
            weft::spawn([mine = random.split()]() mutable { dawdle(mine); });
        std::vector<weft::DoneCallback> callbacks;
        for (int k = random.below(4); k >= 0; --k) {
          for (int turns = random.below(3); turns > 0; --turns) weft::yield();
          ++added;
          callbacks.push_back(task.add_done_callback(
              [&called, token = live.token()](const weft::Task<void>& ended) {
                EXPECT_TRUE(ended.done());
                ++called;
              }));
        }
        if (random.one_in(3)) task.cancel();
        for (int turns = random.below(6); turns > 0; --turns) weft::yield();
        for (auto& callback : callbacks) {
          if (random.one_in(2) && callback.remove()) ++removed;
        }
      }
    });
    EXPECT_EQ(called + removed, added);
    EXPECT_EQ(live.alive(), 0);
  });
}

// A future that many set, cancel and wait for, fibers and threads, ends once for all of them.
TEST(CompletionStress, FuturesEndOnce) {
  support::for_rounds(2s, [](std::uint64_t stream) {
    Random random(stream);
    weft::Runtime runtime(random_options(random));
    for (int i = 0; i < scaled(40); ++i) {
      auto promise = std::make_unique<weft::Promise<int>>();
      weft::Future<int> future = promise->future();
      std::atomic<int> began{0}, got{0}, cancelled{0}, broken{0};
      const auto wait = [&, future]() mutable {
        ++began;
        try {
          got += future.get() == 7 ? 1 : 100;
        } catch (const weft::Cancelled&) {
          ++cancelled;
        } catch (const std::exception&) {
          ++broken;
        }
      };
      std::vector<std::jthread> threads;
      for (int k = 0; k < 2; ++k) threads.emplace_back(wait);
      std::vector<weft::Task<void>> tasks;
      for (int k = 0; k < 4; ++k) tasks.push_back(runtime.post(wait));
      const int how = random.below(4);
      const bool cancels = random.one_in(2);
      if (cancels) tasks[0].cancel();
      if (how == 0) runtime.post([&] { promise->try_set_value(7); }).join();
      if (how == 1) promise->try_set_value(7);
      if (how == 2) future.cancel();
      promise.reset();
      threads.clear();
      for (const auto& task : tasks) task.join();
      EXPECT_EQ(got + cancelled + broken, began);
      EXPECT_GE(began, cancels ? 5 : 6);  // who is cancelled may never begin
      if (!cancels) {
        EXPECT_EQ(how <= 1 ? got : how == 2 ? cancelled : broken, 6);
      }
    }
  });
}

// Lists of tasks that come and go name only what there was.
TEST(CompletionStress, TasksAreListedWhileTheyComeAndGo) {
  support::for_rounds(2s, [](std::uint64_t stream) {
    Random random(stream);
    weft::run(random_options(random), [&] {
      std::atomic<bool> stop{false};
      std::vector<weft::Task<void>> makers;
      for (int i = 0; i < 3; ++i) {
        makers.push_back(weft::spawn([&stop, mine = random.split()]() mutable {
          while (!stop) {
            const weft::Task<void> task =
                weft::spawn({.name = "named for a while, at some length"},
                            [mine = mine.split()]() mutable { dawdle(mine); });
            if (mine.one_in(2)) task.join();
            weft::yield();
          }
        }));
      }
      for (int i = 0; i < scaled(100); ++i) {
        for (const weft::TaskInfo& task : weft::all_tasks()) {
          const bool known = task.name().starts_with("named") || task.name() == "main" ||
                             task.name().starts_with("task-");
          EXPECT_TRUE(known) << task.name();
          if (task.name().starts_with("named") && random.one_in(4)) task.cancel();
        }
        weft::yield();
      }
      stop = true;
      weft::gather(makers);
    });
  });
}

}  // namespace
