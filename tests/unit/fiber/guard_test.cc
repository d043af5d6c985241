// Goal: each kind of guard stops or shows what runs over the end of a stack, and what cannot be had
// falls through to the next weaker kind. Method: guards on pages mapped here, touched in death
// tests; the kernel's refusals are provoked for real (locked memory), the budget is a small one of
// our own.

#include "fiber/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <fstream>
#include <string>

namespace weft::detail {
namespace {

class Pages {
 public:
  explicit Pages(std::size_t count) : bytes_(count * page_size()) {
    void* memory =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    memory_ = static_cast<std::byte*>(memory);
  }
  ~Pages() { ::munmap(memory_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  std::byte* page(std::size_t index) const { return memory_ + index * page_size(); }
  bool lock() const {
    return ::mlock2(memory_, bytes_, MLOCK_ONFAULT) == 0;
  }  // mlock() is a no-op under sanitizers

 private:
  std::size_t bytes_;
  std::byte* memory_;
};

void touch(std::byte* address) { *const_cast<volatile std::byte*>(address) = std::byte{1}; }

std::size_t count_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t lines = 0;
  for (std::string line; std::getline(maps, line);) ++lines;
  return lines;
}

class GuardDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(GuardDeathTest, KernelGuardFaultsAndSparesItsNeighbours) {
  if (!kernel_guards_supported()) GTEST_SKIP() << "the kernel has no MADV_GUARD_INSTALL";
  const Pages pages(3);
  GuardBudget budget(0);
  ASSERT_EQ(install_guard(pages.page(1), GuardKind::kKernel, budget), GuardKind::kKernel);
  touch(pages.page(0) + page_size() - 1);
  touch(pages.page(2));
  EXPECT_DEATH(touch(pages.page(1)), "");
  EXPECT_DEATH(touch(pages.page(2) - 1), "");
}

TEST_F(GuardDeathTest, KernelGuardSurvivesDontNeed) {
  if (!kernel_guards_supported()) GTEST_SKIP() << "the kernel has no MADV_GUARD_INSTALL";
  const Pages pages(2);
  GuardBudget budget(0);
  ASSERT_EQ(install_guard(pages.page(0), GuardKind::kKernel, budget), GuardKind::kKernel);
  ASSERT_EQ(::madvise(pages.page(0), 2 * page_size(), MADV_DONTNEED), 0);
  EXPECT_DEATH(touch(pages.page(0)), "");
}

TEST_F(GuardDeathTest, MprotectGuardFaults) {
  const Pages pages(3);
  GuardBudget budget(1);
  ASSERT_EQ(install_guard(pages.page(1), GuardKind::kMprotect, budget), GuardKind::kMprotect);
  touch(pages.page(2));
  EXPECT_DEATH(touch(pages.page(1)), "");
}

TEST(Guard, KernelGuardsSplitNoMapping) {
  if (!kernel_guards_supported()) GTEST_SKIP() << "the kernel has no MADV_GUARD_INSTALL";
  const Pages pages(64);
  GuardBudget budget(0);
  const std::size_t before = count_mappings();
  for (std::size_t i = 0; i < 64; i += 2) {
    ASSERT_EQ(install_guard(pages.page(i), GuardKind::kKernel, budget), GuardKind::kKernel);
  }
  EXPECT_LT(count_mappings(), before + 8);
}

TEST(Guard, LockedMemoryFallsBackToMprotect) {
  const Pages pages(1);
  if (!pages.lock()) GTEST_SKIP() << "no memory may be locked here";
  GuardBudget budget(1);
  EXPECT_EQ(install_guard(pages.page(0), GuardKind::kKernel, budget), GuardKind::kMprotect);
}

TEST(Guard, SpentBudgetLeavesThePageUnguarded) {
  const Pages pages(3);
  GuardBudget budget(1);
  EXPECT_EQ(install_guard(pages.page(0), GuardKind::kMprotect, budget), GuardKind::kMprotect);
  EXPECT_EQ(install_guard(pages.page(1), GuardKind::kMprotect, budget), GuardKind::kNone);
  touch(pages.page(1));
  budget.give_back(1);
  EXPECT_EQ(install_guard(pages.page(2), GuardKind::kMprotect, budget), GuardKind::kMprotect);
}

TEST(Guard, FailedMprotectCostsNoBudget) {
  GuardBudget budget(1);
  EXPECT_EQ(install_guard(nullptr, GuardKind::kMprotect, budget), GuardKind::kNone);
  EXPECT_EQ(budget.left(), 1U);
}

TEST(Guard, ProcessBudgetIsAQuarterOfTheMappings) {
  std::size_t mappings = 0;
  std::ifstream("/proc/sys/vm/max_map_count") >> mappings;
  if (mappings == 0) GTEST_SKIP() << "/proc is not mounted";
  EXPECT_EQ(process_guard_budget().left(), mappings / 4);
}

TEST(Guard, PolicyNamesTheFirstKindTried) {
  EXPECT_EQ(strongest_guard(GuardPolicy::kNone), GuardKind::kNone);
  EXPECT_EQ(strongest_guard(GuardPolicy::kMprotect), GuardKind::kMprotect);
  EXPECT_EQ(strongest_guard(GuardPolicy::kKernel),
            kernel_guards_supported() ? GuardKind::kKernel : GuardKind::kMprotect);
}

TEST(Canary, SeesOneChangedByteAnywhereInThePage) {
  const Pages pages(2);
  std::byte* limit = pages.page(1);
  EXPECT_TRUE(canary_intact(limit));
  touch(limit);
  EXPECT_TRUE(canary_intact(limit));
  for (const std::size_t below : {std::size_t{1}, std::size_t{100}, std::size_t{4096}}) {
    touch(limit - below);
    EXPECT_FALSE(canary_intact(limit)) << below;
    *(limit - below) = std::byte{0};
  }
  EXPECT_TRUE(canary_intact(limit));
}

TEST(Canary, SurvivesDontNeed) {
  const Pages pages(2);
  EXPECT_TRUE(canary_intact(pages.page(1)));
  ASSERT_EQ(::madvise(pages.page(0), page_size(), MADV_DONTNEED), 0);
  EXPECT_TRUE(canary_intact(pages.page(1)));
}

}  // namespace
}  // namespace weft::detail
