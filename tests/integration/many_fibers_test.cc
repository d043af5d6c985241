// Goal: hundreds of thousands of fibers are an ordinary thing: all asleep at once, each with a
// guard page, on a kernel whose limits nobody has touched. And short ones keep only one worker
// busy. Method: that many fibers meet at one event; the kernel's own count of mappings is read
// while they sleep. Sanitizers keep books of their own for each stack, so there are fewer of them
// there.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/process_state.h"
#include "support/task_steps.h"

namespace {

using support::Arrivals;
using support::LiveCount;
using support::resident_bytes;

constexpr int kMany = support::kThreadSanitizer    ? 2'000
                      : support::kAddressSanitizer ? 10'000
                      : support::kChaos            ? 5'000
                                                   : 200'000;
constexpr std::size_t kSmall = std::size_t{64} << 10;
constexpr std::size_t kDefaultMaxMapCount = 65'530;

bool kernel_has_guards() {
  constexpr int kMadvGuardInstall = 102;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const at = ::mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool has = ::madvise(at, page, kMadvGuardInstall) == 0;
  ::munmap(at, page);
  return has;
}

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) ++count;
  return count;
}

TEST(ManyFibers, ParkAtOnceWithGuards) {
  weft::run([] {
    const std::size_t before = resident_bytes();
    weft::Event go;
    Arrivals parked(kMany), ended(kMany);
    for (int i = 0; i < kMany; ++i) {
      weft::spawn({.stack_size = kSmall}, [&] {
        parked.arrive();
        go.wait();
        ended.arrive();
      });
    }
    parked.wait();
    const weft::Metrics metrics = weft::metrics();
    EXPECT_GE(metrics.stacks_in_use, static_cast<std::size_t>(kMany));
    EXPECT_LT(mappings(), kDefaultMaxMapCount);
    if (kernel_has_guards() || support::kSanitized) {
      EXPECT_EQ(metrics.stacks_unguarded, 0u);
    }
    if (!support::kSanitized) {
      const std::size_t each = (resident_bytes() - before) / kMany;
      EXPECT_LT(each, 8192u) << "two pages would be one too many";
    }
    go.set();
    ended.wait();
  });
}

TEST(ManyFibers, ParkInRoundsOnTheSameStacks) {
  weft::run([] {
    std::size_t mapped = 0;
    for (int round = 0; round < 4; ++round) {
      std::vector<weft::Task<void>> tasks;
      weft::Event go;
      Arrivals parked(kMany / 10);
      for (int i = 0; i < kMany / 10; ++i) {
        tasks.push_back(weft::spawn({.stack_size = kSmall}, [&] {
          parked.arrive();
          go.wait();
        }));
      }
      parked.wait();
      go.set();
      weft::gather(tasks);
      const std::size_t now = weft::metrics().stack_bytes_mapped;
      // What each worker keeps in hand is no leak.
      if (round == 0) {
        mapped = now;
      } else {
        EXPECT_LE(now, mapped + mapped / 2);
      }
    }
  });
}

TEST(ManyFibers, SleepAndEndByTheClock) {
  weft::run([] {
    std::atomic<int> woken{0};
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < kMany / 4; ++i) {
      tasks.push_back(weft::spawn({.stack_size = kSmall}, [&woken, i] {
        weft::sleep_for(std::chrono::microseconds(i * 7 % 50'000));
        ++woken;
      }));
    }
    weft::gather(tasks);
    EXPECT_EQ(woken, kMany / 4);
  });
}

TEST(ManyFibers, AreCancelledAndEndAllAtOnce) {
  LiveCount live;
  weft::run([&] {
    Arrivals parked(kMany / 2);
    for (int i = 0; i < kMany / 2; ++i) {
      weft::spawn({.stack_size = kSmall}, [&parked, token = live.token()] {
        parked.arrive();
        support::sleep_forever();
      });
    }
    parked.wait();
    EXPECT_EQ(live.alive(), kMany / 2);
  });
  EXPECT_EQ(live.alive(), 0);
}

// A fiber gets its stack when it first runs: tasks that wait for their turn cost no stacks.
TEST(ManyFibers, SpawnedButNotStartedNeedNoStacks) {
  weft::run(weft::Options{.workers = 1}, [] {
    Arrivals ended(kMany);
    for (int i = 0; i < kMany; ++i) weft::spawn([&] { ended.arrive(); });
    EXPECT_LT(weft::metrics().stacks_in_use, 100u);
    ended.wait();
    EXPECT_LT(weft::metrics().stacks_in_use, 100u);
  });
}

// Tasks that are over at once are not worth another worker's way, and it stays asleep.
TEST(ManyFibers, BatchesOfShortTasksLeaveTheOtherWorkerAlone) {
  if (support::kSanitized) GTEST_SKIP() << "here each takes a microsecond, and is worth it";
  if (support::kChaos) GTEST_SKIP() << "under chaos workers wake for nothing";
  constexpr int kBatches = 5'000;
  weft::run(weft::Options{.workers = 2}, [] {
    const std::uint64_t wakes = weft::metrics().wakes;
    std::vector<weft::Task<void>> batch(100);
    for (int i = 0; i < kBatches; ++i) {
      for (auto& task : batch) task = weft::spawn([] {});
      for (auto& task : batch) task.get();
    }
    EXPECT_LT(weft::metrics().wakes - wakes, kBatches / 20);
  });
}

}  // namespace
