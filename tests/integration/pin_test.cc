// Goal: what is pinned stays on its thread, whoever wakes it and however busy the others are, and
// code that keys on the thread may suspend there. Method: the kernel's thread id before and after
// every kind of suspension, with enough unpinned fibers about for thieves to have work.

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <vector>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::kGenerous;
using support::sleep_until_cancelled;

// Compilers keep what pthread_self() returned; the kernel is asked anew each time.
[[gnu::noinline]] long thread_id() { return ::syscall(SYS_gettid); }

/// Fibers that come and go on all workers, as long as it lives: a worker that runs out of them
/// steals.
class Bustle {
 public:
  Bustle() {
    for (int i = 0; i < 6; ++i) {
      tasks_.push_back(weft::spawn([this] {
        for (int turn = 0; !over_; ++turn) {
          weft::yield();
          if (turn % 16 == 0) weft::sleep_for(20us);
        }
      }));
    }
  }
  ~Bustle() {
    over_ = true;
    for (weft::Task<void>& task : tasks_) task.join();
  }
  Bustle(const Bustle&) = delete;
  Bustle& operator=(const Bustle&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::vector<weft::Task<void>> tasks_;
};

void suspend_in_every_way() {
  for (int i = 0; i < 5; ++i) weft::yield();
  weft::sleep_for(100us);
  weft::spawn([] { weft::yield(); }).get();
  weft::spawn([] { weft::yield(); }).join();
  weft::to_thread([] {});
  weft::gather([] { weft::yield(); }, [] {});
  weft::Event set_elsewhere;
  weft::spawn([&] { set_elsewhere.set(); });
  set_elsewhere.wait();
  try {
    weft::timeout(100us, support::sleep_forever);
  } catch (const weft::TimeoutError&) {
  }
}

void expect_to_travel() {
  std::set<long> threads;
  weft::timeout(kGenerous, [&] {
    while (threads.size() < 2) {
      threads.insert(thread_id());
      suspend_in_every_way();
    }
  });
}

TEST(Pin, KeepsAFiberOnItsThread) {
  weft::run([] {
    const Bustle bustle;
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < 4; ++i) {
      tasks.push_back(weft::spawn([] {
        for (int round = 0; round < support::scaled(50); ++round) {
          const weft::PinScope pin;
          const long here = thread_id();
          suspend_in_every_way();
          ASSERT_EQ(thread_id(), here);
        }
      }));
    }
    weft::gather(tasks);
  });
}

TEST(Pin, Nests) {
  weft::run([] {
    const Bustle bustle;
    const weft::PinScope outer;
    const long here = thread_id();
    for (int round = 0; round < support::scaled(50); ++round) {
      {
        const weft::PinScope inner;
        weft::yield();
      }
      suspend_in_every_way();
      ASSERT_EQ(thread_id(), here);
    }
  });
}

TEST(Pin, EndsWithAnExceptionToo) {
  weft::run(weft::Options{.workers = 2}, [] {
    const Bustle bustle;
    try {
      const weft::PinScope pin;
      weft::yield();
      throw std::runtime_error("unwinds");
    } catch (const std::runtime_error&) {
    }
    expect_to_travel();  // again
  });
}

TEST(Pin, WithoutItFibersTravel) {
  weft::run(weft::Options{.workers = 2}, [] {
    const Bustle bustle;
    expect_to_travel();
  });
}

TEST(Pin, ByOptionKeepsATaskFromItsFirstStepOn) {
  weft::run([] {
    const Bustle bustle;
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < support::scaled(100); ++i) {
      tasks.push_back(weft::spawn({.pinned = true}, [] {
        const long here = thread_id();
        for (int round = 0; round < 3; ++round) {
          suspend_in_every_way();
          ASSERT_EQ(thread_id(), here);
        }
      }));
    }
    weft::gather(tasks);
  });
}

TEST(Pin, ByOptionStartsWhereItsSpawnerIs) {
  weft::run([] {
    const Bustle bustle;
    for (int round = 0; round < support::scaled(200); ++round) {
      const weft::PinScope pin;
      const long here = thread_id();
      EXPECT_EQ(weft::spawn({.pinned = true}, thread_id).get(), here);
    }
  });
}

TEST(Pin, WakesComeHomeFromFibersAndThreads) {
  weft::run([] {
    const Bustle bustle;
    const weft::PinScope pin;
    const long here = thread_id();
    for (int round = 0; round < support::scaled(200); ++round) {
      weft::Event by_fiber, by_thread;
      weft::spawn([&] { by_fiber.set(); });
      by_fiber.wait();
      ASSERT_EQ(thread_id(), here);
      weft::Task<void> call = weft::spawn([&] { weft::to_thread([&] { by_thread.set(); }); });
      by_thread.wait();
      ASSERT_EQ(thread_id(), here);
      call.get();
    }
  });
}

TEST(Pin, ACancelledFiberComesHomeToo) {
  weft::run([] {
    const Bustle bustle;
    for (int round = 0; round < support::scaled(100); ++round) {
      weft::Event started;
      weft::Task<void> task = weft::spawn([&] {
        const weft::PinScope pin;
        const long here = thread_id();
        started.set();
        sleep_until_cancelled();
        EXPECT_EQ(thread_id(), here);
      });
      started.wait();
      task.cancel();
      task.get();
    }
  });
}

// A thread's own things may be held across suspensions.
TEST(Pin, MakesThreadLocalsAndThreadLocksUsable) {
  static thread_local int t_depth = 0;
  weft::run([] {
    const Bustle bustle;
    std::recursive_mutex owned_by_a_thread;
    weft::Event go;
    weft::Task<void> task = weft::spawn([&] {
      go.wait();
      const weft::PinScope pin;
      const std::lock_guard lock(owned_by_a_thread);
      ++t_depth;
      for (int i = 0; i < 20; ++i) {
        weft::yield();
        const std::lock_guard again(owned_by_a_thread);  // by another thread: a deadlock
      }
      --t_depth;
      EXPECT_EQ(t_depth, 0);
    });
    go.set();
    weft::timeout(kGenerous, [&] { task.get(); });
  });
}

TEST(Pin, DoesNotStarveTheOthersOfItsWorker) {
  weft::run(weft::Options{.workers = 1}, [] {
    std::atomic<bool> over{false};
    weft::Task<void> pinned = weft::spawn({.pinned = true}, [&] {
      while (!over) weft::yield();
    });
    weft::Task<void> free = weft::spawn([&] {
      while (!over) weft::yield();
    });
    weft::timeout(kGenerous, [] {
      for (int i = 0; i < 1000; ++i) weft::yield();
      weft::sleep_for(1ms);
    });
    over = true;
    weft::gather(pinned, free);
  });
}

TEST(Pin, InAPlainThreadDoesNothing) {
  const weft::PinScope pin;
  const weft::PinScope nested;
  EXPECT_EQ(weft::run([] { return weft::spawn([] { return 1; }).get(); }), 1);
}

}  // namespace
