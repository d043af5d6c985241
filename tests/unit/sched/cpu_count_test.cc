// Goal: the affinity mask and every kind of cgroup quota are found, and nothing else limits.
// Method: /proc and /sys are a tree of small files in a temporary directory, written as kernels and
// container engines write them.

#include "sched/cpu_count.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace weft::detail {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUnified =
    "25 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
    "31 25 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

constexpr const char* kHybrid =
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
    "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

class CpuBudgetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "weft_cpu_count_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const fs::path& path, const std::string& text) {
    const fs::path file = root_ / path.relative_path();
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void unified(const std::string& group) {
    write("/proc/self/mountinfo", kUnified);
    write("/proc/self/cgroup", "0::" + group + "\n");
  }
  void hybrid(const std::string& group) {
    write("/proc/self/mountinfo", kHybrid);
    write("/proc/self/cgroup", "3:cpuset:/\n2:cpu,cpuacct:" + group + "\n0::/\n");
  }
  void expect(unsigned affinity, unsigned cpus, bool quota_limited) {
    const CpuBudget budget = cpu_budget(affinity, root_);
    EXPECT_EQ(budget.cpus, cpus);
    EXPECT_EQ(budget.quota_limited, quota_limited);
  }

  fs::path root_;
};

TEST_F(CpuBudgetTest, WithoutProcOnlyAffinityCounts) { expect(6, 6, false); }

TEST_F(CpuBudgetTest, IsAtLeastOne) {
  expect(0, 1, false);
  unified("/a");
  write("/sys/fs/cgroup/a/cpu.max", "1000 100000\n");
  expect(8, 1, true);
}

TEST_F(CpuBudgetTest, V2WithoutLimitIsAffinity) {
  unified("/a");
  write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  expect(8, 8, false);
}

TEST_F(CpuBudgetTest, V2QuotaRoundsUp) {
  unified("/a");
  write("/sys/fs/cgroup/a/cpu.max", "250000 100000\n");
  expect(8, 3, true);
  write("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
  expect(8, 3, true);
}

TEST_F(CpuBudgetTest, V2PeriodMayBeLeftOut) {
  unified("/a");
  write("/sys/fs/cgroup/a/cpu.max", "200000\n");
  expect(8, 2, true);
}

TEST_F(CpuBudgetTest, V2TightestAncestorWins) {
  unified("/a/b/c");
  write("/sys/fs/cgroup/a/cpu.max", "100000 50000\n");
  write("/sys/fs/cgroup/a/b/cpu.max", "500000 100000\n");
  write("/sys/fs/cgroup/a/b/c/cpu.max", "max 100000\n");
  expect(8, 2, true);
}

TEST_F(CpuBudgetTest, V2QuotaAtTheTopOfAContainerCounts) {
  unified("/");
  write("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  expect(8, 4, true);
}

TEST_F(CpuBudgetTest, SiblingsDoNotCount) {
  unified("/a/b");
  write("/sys/fs/cgroup/a/bc/cpu.max", "100000 100000\n");
  write("/sys/fs/cgroup/b/cpu.max", "100000 100000\n");
  expect(8, 8, false);
}

TEST_F(CpuBudgetTest, PartialLastCpuIsStillLimited) {
  unified("/a");
  write("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  expect(2, 2, true);
}

TEST_F(CpuBudgetTest, QuotaAboveAffinityLimitsNothing) {
  unified("/a");
  write("/sys/fs/cgroup/a/cpu.max", "400000 100000\n");
  expect(2, 2, false);
  expect(4, 4, false);
}

TEST_F(CpuBudgetTest, MountOfASubtreeHidesTheWayToIt) {
  write("/proc/self/mountinfo",
        "31 25 0:27 /pods/my\\040pod /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
  write("/proc/self/cgroup", "0::/pods/my pod/inner\n");
  write("/sys/fs/cgroup/inner/cpu.max", "100000 100000\n");
  expect(8, 1, true);
  write("/proc/self/cgroup", "0::/pods/my pod\n");
  write("/sys/fs/cgroup/cpu.max", "300000 100000\n");
  expect(8, 3, true);
}

TEST_F(CpuBudgetTest, GroupOutsideTheMountFallsBackToItsTop) {
  write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  write("/sys/fs/elsewhere/cpu.max", "100000 100000\n");
  unified("/../elsewhere");
  expect(8, 2, true);
  write("/proc/self/mountinfo", "31 25 0:27 /x /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
  write("/proc/self/cgroup", "0::/elsewhere\n");
  expect(8, 2, true);
  write("/sys/fs/cgroup/y/cpu.max", "100000 100000\n");
  write("/proc/self/cgroup", "0::/xy\n");
  expect(8, 2, true);
  write("/proc/self/mountinfo", "31 25 0:27 /.. /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n");
  write("/proc/self/cgroup", "0::/\n");
  expect(8, 2, true);
}

TEST_F(CpuBudgetTest, V1QuotaOfTheCpuController) {
  hybrid("/docker/x");
  write("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "150000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
  expect(8, 2, true);
}

TEST_F(CpuBudgetTest, V1MinusOneIsNoLimit) {
  hybrid("/");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  expect(8, 8, false);
}

TEST_F(CpuBudgetTest, V1TightestAncestorWins) {
  hybrid("/a/b");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "100000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "400000\n");
  write("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
  expect(8, 2, true);
}

TEST_F(CpuBudgetTest, NonsenseLimitsNothing) {
  unified("/a");
  for (const char* text : {"", "\n", "0 0\n", "-5 100000\n", "100000 0\n", "cats\n"}) {
    write("/sys/fs/cgroup/a/cpu.max", text);
    expect(8, 8, false);
  }
  write("/proc/self/cgroup", "nonsense\n:\n0:\n");
  expect(8, 8, false);
  write("/proc/self/mountinfo", " - \n- cgroup2\n1 2 3 - cgroup2\n");
  expect(8, 8, false);
}

TEST(CpuCount, CountsTheAffinityMask) {
  // In a thread of its own, which takes its mask along when it ends.
  std::thread([] {
    cpu_set_t mask;
    ASSERT_EQ(::sched_getaffinity(0, sizeof(mask), &mask), 0);
    EXPECT_EQ(affinity_cpus(), static_cast<unsigned>(CPU_COUNT(&mask)));
    const int here = ::sched_getcpu();
    ASSERT_GE(here, 0);
    CPU_ZERO(&mask);
    CPU_SET(static_cast<unsigned>(here), &mask);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(mask), &mask), 0);
    EXPECT_EQ(affinity_cpus(), 1u);
    EXPECT_EQ(default_worker_count(), 1u);
  }).join();
}

TEST(CpuCount, DefaultIsWithinTheMask) {
  EXPECT_GE(default_worker_count(), 1u);
  EXPECT_LE(default_worker_count(), affinity_cpus());
}

}  // namespace
}  // namespace weft::detail
