// Goal: whatever arrives while workers go to sleep, from fibers, threads, timers or the driver,
// somebody wakes and runs it: nothing is ever stuck. Method: bursts of random size, each waited for
// to its end, so that workers fall asleep between them; pauses of random length, so that the next
// burst meets them at any step of the way. A watchdog says what hangs. Where every worker sleeps in
// the driver, nothing but a wake-up ends a sleep: no timed look hides that one was lost.

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "base/futex.h"
#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

// How many of a burst are still to run; a thread waits for none.
class Countdown {
 public:
  explicit Countdown(std::uint32_t count) : left_(count) {}
  void arrive() {
    if (left_.fetch_sub(1) == 1) futex_wake(left_, 1);
  }
  void wait() {
    while (const std::uint32_t left = left_.load()) futex_wait(left_, left);
  }

 private:
  Atomic<std::uint32_t> left_;
};

using Seats = support::FakeDriver::Seats;

struct Shape {
  unsigned workers;
  bool spin;
  Seats seats;
};

class ParkingStress : public testing::TestWithParam<Shape> {
 protected:
  static constexpr Nanos kTime = 150'000'000;

  ParkingStress()
      : scheduler_({.workers = GetParam().workers, .spin = GetParam().spin}),
        watchdog_("a fiber that is ready does not run", std::chrono::seconds(20),
                  [this] { return describe(); }) {
    scheduler_.driver.set_seats(GetParam().seats);
  }

  std::string describe() {
    Idle& idle = scheduler_.scheduler.idle();
    const SchedulerStats stats = scheduler_.scheduler.stats();
    std::string text = "(" + std::to_string(idle.awake()) + " awake, " +
                       std::to_string(idle.searching()) + " searching, " +
                       std::to_string(stats.spawned - stats.finished) + " fibers, injector " +
                       std::to_string(scheduler_.scheduler.injector().size()) + ", rings";
    for (unsigned i = 0; i < scheduler_.scheduler.worker_count(); ++i) {
      text += scheduler_.scheduler.worker(i).has_queued() ? " full" : " empty";
    }
    return text + ")";
  }

  // Bursts until the time is up; returns how many.
  template <class Burst>
  int bursts(std::uint64_t stream, Burst burst) {
    support::Random random(stream);
    const Nanos end = now() + kTime;
    int count = 0;
    for (; now() < end; ++count) {
      burst(random);
      watchdog_.progress();
      pause(random);
    }
    return count;
  }

  // From nothing up to what it takes to spin and fall asleep.
  static void pause(support::Random& random) {
    const Nanos until = now() + (random.one_in(3) ? 0 : random.below(150'000));
    while (now() < until) cpu_relax();
  }

  BareScheduler scheduler_;
  support::Watchdog watchdog_;
};

INSTANTIATE_TEST_SUITE_P(
    Workers, ParkingStress,
    testing::Values(Shape{1, true, Seats::kEach}, Shape{1, false, Seats::kEach},
                    Shape{2, true, Seats::kEach}, Shape{2, false, Seats::kEach},
                    Shape{4, true, Seats::kEach}, Shape{2, true, Seats::kOne},
                    Shape{2, false, Seats::kNone}, Shape{4, false, Seats::kOne}),
    [](const auto& shape) {
      const Seats seats = shape.param.seats;
      return std::to_string(shape.param.workers) + (shape.param.spin ? "Spin" : "Park") +
             (seats == Seats::kEach  ? "InDriver"
              : seats == Seats::kOne ? "InBoth"
                                     : "InFutex");
    });

TEST_P(ParkingStress, BurstsFromThreads) {
  scheduler_.driver.ignore_deadlines();
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 2; ++i) {
    threads.emplace_back([this, i] {
      const int count = bursts(i, [&](support::Random& random) {
        const auto size = static_cast<std::uint32_t>(1 + random.below(random.one_in(4) ? 40 : 3));
        Countdown left(size);
        for (std::uint32_t fiber = 0; fiber < size; ++fiber) {
          if (random.one_in(4)) {
            const unsigned home =
                static_cast<unsigned>(random.below(static_cast<int>(GetParam().workers)));
            scheduler_.start_on(home, [&] { left.arrive(); });
          } else {
            scheduler_.start([&] { left.arrive(); });
          }
        }
        left.wait();
      });
      EXPECT_GT(count, 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// One fiber at a time, sent to one worker or to any: whoever sends has nobody else to wake it.
TEST_P(ParkingStress, OneAtATime) {
  scheduler_.driver.ignore_deadlines();
  bursts(9, [&](support::Random& random) {
    Countdown left(1);
    if (random.one_in(2)) {
      scheduler_.start([&] { left.arrive(); });
    } else {
      const int home = random.below(static_cast<int>(GetParam().workers));
      scheduler_.start_on(static_cast<unsigned>(home), [&] { left.arrive(); });
    }
    left.wait();
  });
}

TEST_P(ParkingStress, BurstsFromFibers) {
  scheduler_.driver.ignore_deadlines();
  bursts(7, [&](support::Random& random) {
    const int children = 1 + random.below(6);
    const int grandchildren = random.below(4);
    Countdown left(static_cast<std::uint32_t>(children * (1 + grandchildren)));
    scheduler_.start([&, children, grandchildren] {
      for (int i = 0; i < children; ++i) {
        scheduler_.start([&, grandchildren] {
          for (int j = 0; j < grandchildren; ++j) scheduler_.start([&] { left.arrive(); });
          left.arrive();
        });
      }
    });
    left.wait();
  });
}

// Fibers that sleep and are woken by a thread, by one another, by a timer and by the driver.
TEST_P(ParkingStress, SleepersAreWokenFromEverywhere) {
  bursts(8, [&](support::Random& random) {
    constexpr int kSleepers = 4;
    Countdown asleep(kSleepers);
    Countdown left(kSleepers);
    WakeToken tokens[kSleepers];
    for (int i = 0; i < kSleepers; ++i) {
      const Nanos span = random.below(100'000);
      scheduler_.start([&, i, span] {
        tokens[i] = current_token();
        asleep.arrive();
        if (i == 0) {
          suspend_until(now() + span, nullptr, nullptr);
        } else {
          suspend(nullptr, nullptr);
        }
        // The first two wake the others; the third is the thread's, or the driver's.
        if (i == 1) {
          while (!wake(tokens[2])) yield_now();
        }
        left.arrive();
      });
    }
    asleep.wait();
    const bool through_driver = GetParam().seats != Seats::kNone && random.one_in(2);
    for (const int i : {1, 3}) {
      if (through_driver) {
        // The driver reports what it saw; a fiber that is not asleep yet must not miss it.
        while (!tokens[i].fiber->word.waiting()) std::this_thread::yield();
        scheduler_.driver.post({tokens[i], Wake::kNormal});
      } else {
        while (!wake(tokens[i])) std::this_thread::yield();
      }
    }
    left.wait();
  });
}

}  // namespace
}  // namespace weft::detail
