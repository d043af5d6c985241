// Goal: a Runtime serves a program that has threads and a main() of its own, and several of them
// live side by side, waking each other's fibers. Method: everything a fiber can do to another is
// done across runtimes and from plain threads, many times, while runtimes come and go.

#include <gtest/gtest.h>
#include <pthread.h>
#include <weft/weft.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::scaled;
using support::sleep_forever;
using support::throws_cancelled;

// ---- One runtime in a program with threads.

TEST(Runtime, MayDoNothing) {
  for (int i = 0; i < scaled(50); ++i) weft::Runtime runtime;
}

TEST(Runtime, RunsOneMainAfterTheOther) {
  weft::Runtime runtime;
  EXPECT_EQ(runtime.run([] { return 1; }), 1);
  EXPECT_THROW(runtime.run([] { throw std::runtime_error("second"); }), std::runtime_error);
  EXPECT_EQ(*runtime.run([] { return std::make_unique<int>(3); }), 3);
  EXPECT_EQ(runtime.run([] { return weft::this_task::name(); }), "main");
}

TEST(Runtime, LetsTasksGoOnFromOneMainToTheNext) {
  weft::Runtime runtime;
  weft::Event go;
  weft::Task<int> task = runtime.run([&] {
    return weft::spawn([&] {
      go.wait();
      return 5;
    });
  });
  EXPECT_FALSE(task.done());
  runtime.run([&] {
    go.set();
    EXPECT_EQ(task.get(), 5);
  });
}

TEST(Runtime, PostStartsATaskFromAnyThread) {
  weft::Runtime runtime;
  weft::Task<int> posted = runtime.post([] {
    weft::yield();
    return 6;
  });
  EXPECT_EQ(posted.get(), 6);
  EXPECT_THROW(runtime.post([] { throw 7; }).get(), int);
  EXPECT_EQ(runtime.run([&] { return runtime.post([] { return 8; }).get(); }), 8);
}

TEST(Runtime, ServesManyThreadsAtOnce) {
  weft::Runtime runtime;
  std::atomic<long> sum{0};
  std::vector<std::thread> threads;
  const int rounds = scaled(300);
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < rounds; ++round) {
        if (i % 2 == 0) {
          sum += runtime.run([&] { return weft::spawn([&] { return i; }).get(); });
        } else {
          weft::Task<int> task = runtime.post([&] {
            weft::yield();
            return i;
          });
          if (round % 2 == 0) task.join();
          sum += task.get();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, rounds * (0 + 1 + 2 + 3 + 4 + 5));
}

TEST(Runtime, WakesThreadsAndIsWokenByThem) {
  weft::Runtime runtime;
  const int rounds = scaled(1'000);
  std::vector<std::unique_ptr<weft::Event>> pings, pongs;
  for (int i = 0; i < rounds; ++i) {
    pings.push_back(std::make_unique<weft::Event>());
    pongs.push_back(std::make_unique<weft::Event>());
  }
  weft::Task<void> fiber = runtime.post([&] {
    for (int i = 0; i < rounds; ++i) {
      pings[static_cast<std::size_t>(i)]->wait();
      pongs[static_cast<std::size_t>(i)]->set();
    }
  });
  for (int i = 0; i < rounds; ++i) {
    pings[static_cast<std::size_t>(i)]->set();
    pongs[static_cast<std::size_t>(i)]->wait();
  }
  fiber.get();
}

TEST(Runtime, NamesItsThreads) {
  const auto thread_name = [] {
    char name[16];
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return std::string(name);
  };
  EXPECT_EQ(weft::run(weft::Options{.name = "spindle"}, thread_name).rfind("spindle", 0), 0u);
  // Longer than the kernel keeps.
  EXPECT_EQ(weft::run(weft::Options{.name = "a-very-long-name"}, thread_name).rfind("a-very", 0),
            0u);
}

TEST(Runtime, CountsWhatItDoes) {
  weft::Runtime runtime(weft::Options{.workers = 2});
  EXPECT_EQ(runtime.workers(), 2u);
  runtime.run([&] {
    for (int i = 0; i < 100; ++i) weft::spawn([] { weft::yield(); }).get();
    const weft::Metrics inside = weft::metrics();
    EXPECT_EQ(inside.workers, 2u);
    EXPECT_EQ(inside.tasks_started, 101u);
    EXPECT_GE(inside.tasks_ended, 99u);
    EXPECT_GE(inside.switches, 100u);
    EXPECT_GE(inside.stacks_in_use, 1u);
    EXPECT_GT(inside.stack_bytes_mapped, 0u);
  });
  EXPECT_EQ(runtime.metrics().tasks_started, 101u);
  EXPECT_STRNE(runtime.metrics().driver, "");
  EXPECT_EQ(weft::metrics().workers, 0u);
}

TEST(Runtime, ReportsFibersThatKeepTheirWorkerWhenAsked) {
  testing::internal::CaptureStderr();
  weft::run(weft::Options{.workers = 1, .debug = true, .slow_fiber = 20ms}, [] {
    const support::Clock::time_point end = support::Clock::now() + 300ms;
    while (support::Clock::now() < end) {
    }
    weft::yield();
  });
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("runtime_test.cc"), std::string::npos) << text;
  EXPECT_NE(text.find("without suspending"), std::string::npos) << text;
}

// Of the runtime's threads alone: the sanitizers have some of their own.
std::chrono::nanoseconds runtimes_cpu_time() {
  std::chrono::nanoseconds sum{0};
  int threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    if (name.rfind("resting", 0) != 0) continue;
    long long on_cpu = -1;
    std::ifstream(task.path() / "schedstat") >> on_cpu;
    EXPECT_GE(on_cpu, 0);
    sum += std::chrono::nanoseconds(on_cpu);
    ++threads;
  }
  EXPECT_GE(threads, 1) << "no thread has the runtime's name";
  return sum;
}

TEST(Runtime, UsesNoCpuWhileEveryFiberWaits) {
  if (support::kChaos) GTEST_SKIP() << "under chaos workers wake for nothing";
  weft::Event never;
  weft::Runtime runtime(weft::Options{.name = "resting"});
  runtime.run([] {
    for (int i = 0; i < 1000; ++i) weft::yield();
  });
  runtime.post([] { weft::TcpListener::bind("127.0.0.1", 0).accept(); });
  runtime.post([&] { never.wait(); });
  runtime.post([] { weft::sleep_for(1h); });
  // Whoever spins, watches or tidies up has come to rest by then.
  std::this_thread::sleep_for(1500ms);
  const auto before = runtimes_cpu_time();
  std::this_thread::sleep_for(1s);
  EXPECT_LT(runtimes_cpu_time() - before, 1ms);
}

// ---- Several runtimes.

TEST(TwoRuntimes, OneAfterTheOther) {
  weft::Task<int> kept;
  weft::Event event;
  weft::run([&] {
    kept = weft::spawn([] { return 1; });
    kept.join();
  });
  weft::run([&] {
    EXPECT_EQ(kept.get(), 1);
    weft::Task<void> waiter = weft::spawn([&] { event.wait(); });
    event.set();
    waiter.get();
  });
}

TEST(TwoRuntimes, WakeEachOthersFibersThroughEvents) {
  weft::Runtime left, right;
  const int rounds = scaled(2'000);
  struct Flags {
    weft::Event ping, pong;
  };
  std::vector<std::unique_ptr<Flags>> flags;
  for (int i = 0; i < rounds; ++i) flags.push_back(std::make_unique<Flags>());
  weft::Task<void> server = right.post([&] {
    for (auto& flag : flags) {
      flag->ping.wait();
      flag->pong.set();
    }
  });
  left.run([&] {
    for (auto& flag : flags) {
      flag->ping.set();
      flag->pong.wait();
    }
  });
  server.get();
}

TEST(TwoRuntimes, AndThreadsShareAMutex) {
  weft::Runtime left, right;
  weft::Mutex mutex;
  long shared = 0;  // plain memory, guarded
  const int rounds = scaled(2'000);
  const auto add = [&] {
    for (int i = 0; i < rounds; ++i) {
      const std::lock_guard lock(mutex);
      ++shared;
      if (i % 64 == 0) weft::yield();  // a holder may suspend
    }
  };
  std::vector<weft::Task<void>> tasks;
  for (int i = 0; i < 4; ++i) {
    tasks.push_back(left.post(add));
    tasks.push_back(right.post(add));
  }
  std::thread thread(add);
  thread.join();
  for (weft::Task<void>& task : tasks) task.get();
  EXPECT_EQ(shared, 9L * rounds);
}

TEST(TwoRuntimes, JoinGetAndCancelEachOthersTasks) {
  weft::Runtime left, right;
  left.run([&] {
    EXPECT_EQ(right.post([] { return 2; }).get(), 2);
    EXPECT_THROW(right.post([] { throw 3; }).get(), int);
    weft::Event begun;
    weft::Task<bool> there = right.post([&] {
      begun.set();
      return throws_cancelled(sleep_forever);
    });
    begun.wait();
    EXPECT_TRUE(there.cancel());
    EXPECT_TRUE(there.get());
    auto [a, b] = weft::gather(right.post([] { return 4; }), [] { return 5; });
    EXPECT_EQ(a + b, 9);
    EXPECT_THROW(weft::timeout(2ms, [&] { right.post(sleep_forever).get(); }), weft::TimeoutError);
  });
}

// A spawn belongs to the runtime of the fiber that spawns, whoever made the callable.
TEST(TwoRuntimes, KeepTheirTasksApart) {
  weft::Runtime left(weft::Options{.workers = 1}), right(weft::Options{.workers = 3});
  const auto workers = [] { return weft::spawn([] { return weft::metrics().workers; }).get(); };
  EXPECT_EQ(left.run(workers), 1u);
  EXPECT_EQ(right.run(workers), 3u);
  EXPECT_EQ(left.run([&] { return right.post(workers).get(); }), 3u);
}

TEST(TwoRuntimes, OneEndsWhileItIsBeingWokenByTheOther) {
  weft::Runtime lasting;
  for (int round = 0; round < scaled(100); ++round) {
    auto events = std::make_shared<std::vector<weft::Event>>(16);
    weft::Task<void> setter;
    {
      weft::Runtime brief;
      for (std::size_t i = 0; i < events->size(); ++i) {
        brief.post([events, i] { (*events)[i].wait(); });
      }
      setter = lasting.post([events] {
        for (weft::Event& event : *events) event.set();
      });
    }  // those who have not been woken are cancelled
    setter.get();
  }
}

TEST(TwoRuntimes, ManyAtOnce) {
  std::vector<std::unique_ptr<weft::Runtime>> runtimes;
  for (int i = 0; i < scaled(20); ++i) runtimes.push_back(std::make_unique<weft::Runtime>());
  std::vector<weft::Task<std::size_t>> tasks;
  for (std::size_t i = 0; i < runtimes.size(); ++i) {
    tasks.push_back(runtimes[i]->post([&, i] {
      // A chain through all of them.
      return i == 0 ? std::size_t{0} : runtimes[i - 1]->post([i] { return i; }).get();
    }));
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) EXPECT_EQ(tasks[i].get(), i);
}

}  // namespace
