// Goal: a fiber that keeps its worker is reported, once, and by the right time; what waits behind
// it is handed to a worker that sleeps; and a monitor with nothing to watch sleeps. Method: fibers
// that hold their thread on purpose. Times are bounded from below only: from above the machine
// decides.

#include "sched/monitor.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <latch>
#include <mutex>
#include <string>
#include <vector>

#include "sched/worker.h"
#include "support/bare_fiber.h"
#include "support/eventually.h"
#include "support/process_state.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;
using support::eventually;

constexpr Nanos kMillisecond = 1'000'000;
constexpr Nanos kSlowAfter = 50 * kMillisecond;

struct Report {
  std::uint64_t id;
  Nanos stuck;
};

// What the monitors of this process have reported.
std::mutex g_mutex;
std::vector<Report> g_reports;

void note_slow(const Fiber& fiber, Nanos stuck) {
  const std::lock_guard lock(g_mutex);
  g_reports.push_back({fiber.id.load(), stuck});
}

std::vector<Report> reports() {
  const std::lock_guard lock(g_mutex);
  return g_reports;
}

class MonitorTest : public testing::Test {
 protected:
  MonitorTest() {
    const std::lock_guard lock(g_mutex);
    g_reports.clear();
  }

  static SchedulerOptions options(unsigned workers) {
    return {.workers = workers, .slow_after = kSlowAfter, .on_slow = &note_slow};
  }
  static void hold_worker_for(Nanos span) {
    const Nanos end = now() + span;
    while (now() < end) {
    }
  }
};

// ---- Reports.

TEST_F(MonitorTest, SlowFiberIsReportedOnceWithItsTime) {
  BareScheduler scheduler(options(1));
  std::uint64_t id = 0;
  const Nanos start = now();
  scheduler.run([&] {
    id = current_fiber()->id.load();
    EXPECT_TRUE(eventually([] { return !reports().empty(); }));
    hold_worker_for(50 * kMillisecond);
  });
  const Nanos held = now() - start;
  const auto seen = reports();
  ASSERT_EQ(seen.size(), 1u) << "once for each time, however long it takes";
  EXPECT_EQ(seen[0].id, id);
  EXPECT_GE(seen[0].stuck, kSlowAfter);
  EXPECT_LE(seen[0].stuck, held);
}

TEST_F(MonitorTest, FiberThatIsSlowAgainIsReportedAgain) {
  BareScheduler scheduler(options(1));
  scheduler.run([&] {
    for (std::size_t times = 1; times <= 2; ++times) {
      EXPECT_TRUE(eventually([&] { return reports().size() >= times; }));
      // Another fiber runs between, and the worker moves on.
      scheduler.start([] {});
      yield_now();
    }
  });
  EXPECT_EQ(reports().size(), 2u);
}

TEST_F(MonitorTest, FibersThatSwitchAreNotReported) {
  // Long enough for a worker that only waits for its turn on a loaded machine.
  auto patient = options(1);
  patient.slow_after = 400 * kMillisecond;
  BareScheduler scheduler(patient);
  scheduler.run([&] {
    bool stop = false;
    scheduler.start([&] {
      while (!stop) yield_now();
    });
    const Nanos end = now() + 2 * patient.slow_after;
    while (now() < end) yield_now();
    stop = true;
    yield_now();
  });
  EXPECT_TRUE(reports().empty());
}

TEST_F(MonitorTest, SleepingWorkersAreNotReported) {
  BareScheduler scheduler(options(2));
  scheduler.run([&] { suspend_until(now() + 4 * kSlowAfter, nullptr, nullptr); });
  EXPECT_TRUE(reports().empty());
}

TEST_F(MonitorTest, EachStuckWorkerIsReported) {
  BareScheduler scheduler(options(2));
  std::latch ended(2);
  Atomic<std::uint64_t> ids[2]{};
  for (unsigned worker = 0; worker < 2; ++worker) {
    scheduler.start_on(worker, [&, worker] {
      ids[worker] = current_fiber()->id.load();
      EXPECT_TRUE(eventually([] { return reports().size() == 2; }));
      ended.count_down();
    });
  }
  ended.wait();
  const auto seen = reports();
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_NE(seen[0].id, seen[1].id);
  for (const Report& report : seen) EXPECT_TRUE(report.id == ids[0] || report.id == ids[1]);
}

// ---- Rescue.

// Timers, run queue and LIFO slot of a stuck worker are in find_work_test.cc. Here the worker that
// slept in the driver is stuck, and the one that could look after the driver sleeps elsewhere.
TEST_F(MonitorTest, EventsOfTheDriverAreDeliveredWhileItsWorkerIsStuck) {
  for (const bool spin : {true, false}) {
    BareScheduler scheduler({.workers = 2, .spin = spin});
    scheduler.driver.set_active(true);
    WakeToken stuck;
    WakeToken other;
    Atomic<int> known{0};
    Atomic<bool> ran{false};
    Atomic<bool> holds{false};
    std::latch ended(2);
    scheduler.start([&] {
      other = current_token();
      known.fetch_add(1);
      EXPECT_EQ(suspend(nullptr, nullptr), Wake::kClosed);
      ran = true;
      ended.count_down();
    });
    scheduler.start([&] {
      // This worker had the right to poll. On a loaded machine the monitor may have given it to the
      // other by now: then once more.
      do {
        stuck = current_token();
        known.fetch_add(1);
        EXPECT_EQ(suspend(nullptr, nullptr), Wake::kClosed);
      } while (scheduler.driver.sleeping());
      holds = true;
      scheduler.driver.post({other, Wake::kClosed});
      EXPECT_TRUE(eventually([&] { return ran.load(); })) << "spin " << spin;
      ended.count_down();
    });
    for (int waits = 2; !holds; ++waits) {
      ASSERT_LT(waits, 100) << "the other always has the right to poll";
      ASSERT_TRUE(eventually([&] {
        return holds || (known == waits && scheduler.all_asleep() && scheduler.driver.sleeping());
      }));
      if (!holds) scheduler.driver.post({stuck, Wake::kClosed});
    }
    ended.wait();
  }
}

// ---- The monitor's own sleep.

int monitor_thread() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    if (name == "watched-mon") return std::stoi(task.path().filename());
  }
  return 0;
}

TEST_F(MonitorTest, MonitorSleepsWhileWorkersDoAndIsBackWhenTheyAre) {
  auto with_name = options(2);
  with_name.name = "watched";
  BareScheduler scheduler(with_name);
  const int monitor = monitor_thread();
  ASSERT_NE(monitor, 0);
  long looks = -1;
  Nanos since = now();
  // It looks every 10 ms while it is awake.
  EXPECT_TRUE(eventually([&] {
    const long looks_now = support::thread_sleeps_so_far(monitor);
    if (looks_now != looks) since = now();
    looks = looks_now;
    return now() - since > 150 * kMillisecond;
  })) << "an idle program would wake 100 times a second";
  scheduler.run([&] { EXPECT_TRUE(eventually([&] { return reports().size() == 1; })); });
}

TEST_F(MonitorTest, EndsAtOnceWhetherItSleepsOrNot) {
  const Nanos start = now();
  for (int i = 0; i < 100; ++i) {
    BareScheduler scheduler(options(1));
  }
  EXPECT_LT(now() - start, 10'000 * kMillisecond);
}

}  // namespace
}  // namespace weft::detail
