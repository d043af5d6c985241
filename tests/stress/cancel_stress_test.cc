// Goal: cancellations that rain on tasks in all kinds of waits are neither lost nor doubled, and
// break nothing: locks stay exclusive and get free, and a random program of everything the task
// layer has comes to its end with nobody missing. Method: victims count what they catch, cancellers
// what they asked for; in the random program each task has a page in the books.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/rounds.h"
#include "support/seed.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::Random;
using support::scaled;
using support::throws_cancelled;

constexpr auto kTime = 1s;

std::chrono::microseconds some_microseconds(Random& random, int most) {
  return std::chrono::microseconds(random.below(most));
}

weft::Options random_options(Random& random) {
  return {.workers = 1u + static_cast<unsigned>(random.below(4)),
          .blocking_threads = 3,
          .fifo = random.one_in(4)};
}

// ---- Victims and cancellers.

struct Victim {
  weft::Task<int> task;  // gives the number of Cancelled it has caught
  std::atomic<unsigned> requests{0};
};

/// What the victims of a round fight for.
struct Bone {
  weft::Mutex mutex;
  int holders = 0;  // guarded by the mutex, and plain
};

void wait_somehow(Random& random, Bone& bone) {
  switch (random.below(7)) {
    case 0:
      weft::sleep_for(some_microseconds(random, 200));
      break;
    case 1:
      weft::yield();
      break;
    case 2: {
      const std::lock_guard lock(bone.mutex);
      EXPECT_EQ(++bone.holders, 1);
      struct Release {
        Bone& bone;
        ~Release() { --bone.holders; }
      } release{bone};
      if (random.one_in(2)) weft::yield();
      break;
    }
    case 3:
      weft::spawn([span = some_microseconds(random, 100)] { weft::sleep_for(span); }).join();
      break;
    case 4:
      weft::spawn([] {}).get();
      break;
    case 5:
      weft::gather([] { weft::yield(); }, [] {});
      break;
    default:
      if (random.one_in(4)) weft::to_thread([] {});
  }
}

int suffer(Random random, Bone& bone, const std::atomic<bool>& over) {
  int caught = 0;
  while (!over) {
    caught += throws_cancelled([&] { wait_somehow(random, bone); }) ? 1 : 0;
  }
  // What was asked for last.
  caught += throws_cancelled([] { weft::yield(); }) ? 1 : 0;
  return caught;
}

void torment(Random random, std::vector<std::unique_ptr<Victim>>& victims, int times,
             void (*pause)(Random&)) {
  for (int i = 0; i < times; ++i) {
    Victim& victim =
        *victims[static_cast<std::size_t>(random.below(static_cast<int>(victims.size())))];
    if (victim.task.cancel()) ++victim.requests;
    if (random.one_in(2)) pause(random);
  }
}

TEST(CancelStress, RequestsAreNeitherLostNorDoubled) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    weft::Runtime runtime(random_options(random));
    Bone bone;
    std::atomic<bool> over{false};
    std::vector<std::unique_ptr<Victim>> victims;
    for (std::uint64_t i = 1; i <= 16; ++i) {
      victims.push_back(std::make_unique<Victim>());
      victims.back()->task =
          runtime.post([&, i] { return suffer(Random(stream + i), bone, over); });
    }
    // A victim that is cancelled before it has begun never begins.
    runtime.run([] {
      for (int i = 0; i < 100; ++i) weft::yield();
      weft::sleep_for(1ms);
    });
    std::thread thread([&] {
      torment(Random(stream + 50), victims, scaled(200),
              [](Random& own) { std::this_thread::sleep_for(some_microseconds(own, 50)); });
    });
    runtime.run([&] {
      const auto canceller = [&](std::uint64_t own) {
        return [&, own] {
          torment(Random(stream + own), victims, scaled(200),
                  [](Random& numbers) { weft::sleep_for(some_microseconds(numbers, 50)); });
        };
      };
      weft::gather(canceller(60), canceller(61), canceller(62));
    });
    thread.join();
    over = true;
    for (auto& victim : victims) {
      victim->task.join();
      const unsigned requests = victim->requests;
      EXPECT_EQ(victim->task.cancelling(), requests);
      if (victim->task.cancelled()) continue;  // before it began, or as it ended
      const int caught = victim->task.get();
      EXPECT_LE(caught, static_cast<int>(requests));
      if (requests > 0) {
        EXPECT_GE(caught, 1);
      }
    }
    EXPECT_TRUE(bone.mutex.try_lock());
    bone.mutex.unlock();
  });
}

// One request must be enough for any task that does not swallow it, even one that is passed on to a
// task which ends just then, on another worker.
TEST(CancelStress, OneRequestEndsALoopOfGets) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    weft::Runtime runtime(random_options(random));
    std::vector<weft::Task<void>> tasks;
    for (int i = 1; i <= 10; ++i) {
      tasks.push_back(runtime.post([i] {
        for (;;) {
          weft::spawn([i] {
            for (int work = 0; work < i * 20; ++work) asm volatile("");
          }).get();
        }
      }));
    }
    std::this_thread::sleep_for(some_microseconds(random, 500));
    for (weft::Task<void>& task : tasks) EXPECT_TRUE(task.cancel());
    for (weft::Task<void>& task : tasks) {
      task.join();  // the watchdog knows when one was lost
      EXPECT_TRUE(task.cancelled());
    }
  });
}

TEST(CancelStress, OneRequestEndsATask) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    weft::Runtime runtime(random_options(random));
    Bone bone;
    std::vector<weft::Task<void>> tasks;
    for (std::uint64_t i = 1; i <= 30; ++i) {
      tasks.push_back(runtime.post([&, i] {
        Random own(stream + i);
        for (;;) wait_somehow(own, bone);
      }));
    }
    std::this_thread::sleep_for(some_microseconds(random, 2'000));
    for (weft::Task<void>& task : tasks) EXPECT_TRUE(task.cancel());
    for (weft::Task<void>& task : tasks) {
      task.join();  // the watchdog knows when one was lost
      EXPECT_TRUE(task.cancelled());
    }
  });
}

// ---- A random program.

class Program {
 public:
  Program(std::uint64_t stream, int tasks)
      : stream_(stream), pages_(new Page[Size(tasks)]), tasks_(tasks) {}

  void main() {
    Random random(stream_);
    for (int i = 0; i < 10; ++i) static_cast<void>(start(random, 4));
    weft::sleep_for(some_microseconds(random, 2'000));
    // The rest is cancelled by the end of run.
  }

  void check() {
    EXPECT_EQ(live_.alive(), 0);
    for (int id = 0; id < std::min(tasks_, admitted_.load()); ++id) {
      const Page& page = pages_[Size(id)];
      ASSERT_LE(page.begun, 1) << "task " << id;
      ASSERT_EQ(page.begun, page.ended) << "task " << id;
    }
    EXPECT_TRUE(mutex_.try_lock());
    mutex_.unlock();
  }

 private:
  using Size = std::size_t;
  struct Page {
    std::atomic<signed char> begun{0}, ended{0};
  };

  auto body(int depth) {
    const int id = admitted_.fetch_add(1);
    return [this, id, depth, token = live_.token()] { live(id, depth); };
  }
  weft::Task<void> start(Random& random, int depth) {
    return weft::spawn({.pinned = random.one_in(10)}, body(depth));
  }

  void live(int id, int depth) {
    if (id >= tasks_) return;
    ++pages_[Size(id)].begun;
    struct End {
      Page& page;
      ~End() { ++page.ended; }
    } end{pages_[Size(id)]};
    Random random(stream_ + static_cast<std::uint64_t>(id) + 1);
    for (int steps = 1 + random.below(4); steps > 0; --steps) {
      try {
        step(random, depth);
      } catch (const weft::Cancelled&) {
        if (!random.one_in(6)) throw;  // some go on
      } catch (const weft::TimeoutError&) {
      } catch (const std::runtime_error&) {
        if (random.one_in(2)) throw;
      }
    }
    if (random.one_in(12)) throw std::runtime_error("on purpose");
  }

  void step(Random& random, int depth) {
    if (depth == 0) {
      pause(random);
      return;
    }
    switch (random.below(6)) {
      case 0:
        some_children(random, depth - 1);
        break;
      case 1:
        weft::gather(body(depth - 1), body(depth - 1), body(depth - 1));
        break;
      case 2:
        weft::gather(weft::return_exceptions, body(depth - 1), start(random, depth - 1));
        break;
      case 3:
        weft::timeout(some_microseconds(random, 500), [&] { step(random, depth - 1); });
        break;
      default:
        pause(random);
    }
  }

  void some_children(Random& random, int depth) {
    std::vector<weft::Task<void>> children;
    for (int i = random.below(5); i > 0; --i) children.push_back(start(random, depth));
    if (random.one_in(2)) weft::yield();
    for (weft::Task<void>& child : children) {
      if (random.one_in(4)) child.cancel();
      if (random.one_in(9)) child.uncancel();
    }
    for (weft::Task<void>& child : children) {
      if (random.one_in(3)) continue;  // detached
      if (random.one_in(2)) {
        child.join();
      } else {
        child.get();
      }
    }
  }

  void pause(Random& random) {
    switch (random.below(5)) {
      case 0:
        weft::sleep_for(some_microseconds(random, 200));
        break;
      case 1:
        weft::yield();
        break;
      case 2: {
        const std::lock_guard lock(mutex_);
        weft::yield();
        break;
      }
      case 3:
        if (random.one_in(8)) weft::to_thread([] {});
        break;
      default:
        break;
    }
  }

  const std::uint64_t stream_;
  const std::unique_ptr<Page[]> pages_;
  const int tasks_;
  std::atomic<int> admitted_{0};
  LiveCount live_;
  weft::Mutex mutex_;
};

TEST(CancelStress, ARandomProgramEndsWithNobodyMissing) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream + 999);
    Program program(stream, scaled(3'000));
    weft::Options options = random_options(random);
    options.on_lost_exception = [](const weft::LostException&) {};
    weft::run(options, [&] { program.main(); });
    program.check();
  });
}

}  // namespace
