// Goal: stacks are whole, disjoint, guarded and reused; memory goes back only when trimmed; running
// out of anything is survived or reported. Method: one thread, real memory. Residency is asked of
// the kernel (mincore), a failing mmap is a hook of the depot's options or a real RLIMIT_AS in a
// child process.

#include "fiber/stack_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

namespace weft::detail {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::uint8_t kSwarm = size_class_for(64 * kKiB);
constexpr std::uint8_t kDefault = size_class_for(256 * kKiB);

static_assert(size_class_for(0) == 0 && size_class_for(1) == 0 && size_class_for(16 * kKiB) == 0);
static_assert(size_class_for(16 * kKiB + 1) == 1 && size_class_for(32 * kKiB) == 1);
static_assert(class_size(size_class_for(64 * kKiB)) == 64 * kKiB);
static_assert(class_size(size_class_for(64 * kKiB + 1)) == 128 * kKiB);
static_assert(size_class_for(kMaxStackSize) == kStackSizeClasses - 1);

std::vector<Stack*> acquire_many(StackCache& cache, std::uint8_t size_class, std::size_t count) {
  std::vector<Stack*> stacks(count);
  for (Stack*& stack : stacks) stack = cache.acquire(size_class);
  return stacks;
}

void release_all(StackCache& cache, const std::vector<Stack*>& stacks) {
  for (Stack* stack : stacks) cache.release(stack);
}

void touch_top(const std::vector<Stack*>& stacks) {
  for (Stack* stack : stacks) *(stack->top() - 1) = std::byte{7};
}

bool top_is_resident(const Stack& stack) {
  unsigned char answer = 0;
  EXPECT_EQ(::mincore(stack.top() - page_size(), page_size(), &answer), 0);
  return (answer & 1) != 0;
}

std::size_t count_resident(const std::vector<Stack*>& stacks) {
  return static_cast<std::size_t>(std::count_if(
      stacks.begin(), stacks.end(), [](const Stack* s) { return top_is_resident(*s); }));
}

class StackPoolDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST(StackPool, WholeStackIsUsableInEveryClass) {
  StackDepot depot;
  StackCache cache(depot);
  for (std::uint8_t c = 0; c < kStackSizeClasses; ++c) {
    Stack* stack = cache.acquire(c);
    ASSERT_NE(stack, nullptr) << int{c};
    EXPECT_EQ(stack->size_class, c);
    EXPECT_GE(stack->size + page_size(), class_size(c));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(stack->top()) % 16, 0U);
    *stack->limit = std::byte{1};
    *(stack->top() - 1) = std::byte{2};
    cache.release(stack);
  }
}

TEST(StackPool, StacksDoNotOverlap) {
  StackDepot depot;
  StackCache cache(depot);
  std::vector<Stack*> stacks = acquire_many(cache, 0, 1000);
  std::sort(stacks.begin(), stacks.end(), [](Stack* a, Stack* b) { return a->limit < b->limit; });
  for (std::size_t i = 1; i < stacks.size(); ++i) {
    EXPECT_GE(stacks[i]->limit, stacks[i - 1]->top() + page_size());
  }
  release_all(cache, stacks);
}

TEST(StackPool, LastReleasedIsFirstReused) {
  StackDepot depot;
  StackCache cache(depot);
  Stack* first = cache.acquire(kDefault);
  Stack* second = cache.acquire(kDefault);
  cache.release(first);
  cache.release(second);
  EXPECT_EQ(cache.acquire(kDefault), second);
  EXPECT_EQ(cache.acquire(kDefault), first);
  release_all(cache, {first, second});
}

TEST(StackPool, GuardContainsThePageBelowOnly) {
  StackDepot depot(GuardPolicy::kMprotect);
  StackCache cache(depot);
  Stack* stack = cache.acquire(kSwarm);
  EXPECT_TRUE(stack->guard_contains(stack->limit - 1));
  EXPECT_TRUE(stack->guard_contains(stack->limit - page_size()));
  EXPECT_FALSE(stack->guard_contains(stack->limit));
  EXPECT_FALSE(stack->guard_contains(stack->limit - page_size() - 1));
  EXPECT_FALSE(stack->guard_contains(nullptr));
  cache.release(stack);
}

TEST_F(StackPoolDeathTest, TouchingTheGuardFaults) {
  for (const GuardPolicy policy :
       {GuardPolicy::kAuto, GuardPolicy::kKernel, GuardPolicy::kMprotect}) {
    StackDepot depot(policy);
    StackCache cache(depot);
    Stack* stack = cache.acquire(kSwarm);
    EXPECT_TRUE(stack->guarded);
    EXPECT_DEATH(*const_cast<volatile std::byte*>(stack->limit - 1) = std::byte{1}, "");
    cache.release(stack);
  }
}

TEST(StackPool, StacksTravelThroughTheDepotBetweenCaches) {
  StackDepot depot;
  StackCache giver(depot);
  StackCache taker(depot);
  const std::vector<Stack*> stacks = acquire_many(giver, kSwarm, 512);
  release_all(giver, stacks);
  const std::size_t carved = depot.stats().carved;
  const std::vector<Stack*> again = acquire_many(taker, kSwarm, 384);
  EXPECT_EQ(depot.stats().carved, carved);
  const std::set<Stack*> known(stacks.begin(), stacks.end());
  EXPECT_EQ(std::count_if(again.begin(), again.end(), [&](Stack* s) { return known.contains(s); }),
            384);
  release_all(giver, again);
}

TEST(StackPool, BackAndForthAtTheBoundCarvesNothingNew) {
  StackDepot depot;
  StackCache cache(depot);
  release_all(cache, acquire_many(cache, kDefault, 64));
  const std::size_t carved = depot.stats().carved;
  for (std::size_t held = 1; held <= 64; ++held) {
    release_all(cache, acquire_many(cache, kDefault, held));
  }
  EXPECT_EQ(depot.stats().carved, carved);
}

TEST(StackPool, StatsAddUp) {
  StackDepot depot(GuardPolicy::kMprotect);
  StackCache cache(depot);
  const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 100);
  StackStats stats = depot.stats();
  EXPECT_EQ(stats.in_use, 100U);
  EXPECT_GE(stats.carved, 100U);
  EXPECT_EQ(stats.guarded_by_mprotect, stats.carved);
  EXPECT_EQ(stats.guarded_by_kernel + stats.unguarded, 0U);
  EXPECT_EQ(stats.mapped_bytes, std::size_t{64} << 20);
  release_all(cache, stacks);
  stats = depot.stats();
  EXPECT_EQ(stats.in_use, 0U);
  EXPECT_GE(stats.carved, 100U);
}

TEST(StackPool, KernelGuardsAreCountedAsSuch) {
  if (!kernel_guards_supported()) GTEST_SKIP() << "the kernel has no MADV_GUARD_INSTALL";
  StackDepot depot(GuardPolicy::kKernel);
  StackCache cache(depot);
  release_all(cache, acquire_many(cache, kSwarm, 10));
  EXPECT_EQ(depot.stats().guarded_by_kernel, depot.stats().carved);
}

TEST(StackPool, SpentBudgetLeavesStacksUnguardedAndSaysSo) {
  GuardBudget budget(3);
  {
    StackDepot depot(StackDepotOptions{.guard = GuardPolicy::kMprotect, .budget = &budget});
    StackCache cache(depot);
    const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 8);
    EXPECT_EQ(std::count_if(stacks.begin(), stacks.end(), [](Stack* s) { return s->guarded; }), 3);
    EXPECT_EQ(depot.stats().guarded_by_mprotect, 3U);
    EXPECT_EQ(depot.stats().unguarded, 5U);
    release_all(cache, stacks);
  }
  EXPECT_EQ(budget.left(), 3U);
}

TEST(StackPool, UnguardedStackComesBackUnnoticedWhenItWasUsedWell) {
  StackDepot depot(GuardPolicy::kNone);
  StackCache cache(depot);
  Stack* stack = cache.acquire(kSwarm);
  std::memset(stack->limit, 0xff, stack->size);
  EXPECT_FALSE(stack->guard_contains(stack->limit - 1));
  cache.release(stack);
}

TEST_F(StackPoolDeathTest, UnguardedOverflowAbortsWhenTheStackComesBack) {
  StackDepot depot(GuardPolicy::kNone);
  StackCache cache(depot);
  Stack* stack = cache.acquire(kSwarm);
  EXPECT_DEATH(
      {
        *(stack->limit - 8) = std::byte{1};
        cache.release(stack);
      },
      "overflowed its stack of [0-9]+ bytes");
  cache.release(stack);
}

TEST_F(StackPoolDeathTest, DepotDyingBeforeAStackIsBackAborts) {
  auto depot = std::make_unique<StackDepot>();
  Stack* stack = std::make_unique<StackCache>(*depot)->acquire(kSwarm);
  EXPECT_DEATH(depot.reset(), "every fiber has ended");
  StackCache(*depot).release(stack);
}

TEST(StackPool, ReleaseAloneGivesNoMemoryBack) {
  StackDepot depot;
  StackCache cache(depot);
  const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 1000);
  touch_top(stacks);
  release_all(cache, stacks);
  EXPECT_EQ(count_resident(stacks), 1000U);
}

// Whether the kernel can be asked for a page: since Linux 5.14.
bool fetches_pages() {
  void* const page =
      ::mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool fetched = ::madvise(page, page_size(), MADV_POPULATE_WRITE) == 0;
  ::munmap(page, page_size());
  return fetched;
}

// Where stacks are many, those that are carved have the page that a fiber touches first.
TEST(StackPool, ManyStacksComeWithTheirFirstPage) {
  StackDepot depot;
  StackCache cache(depot);
  const std::vector<Stack*> few = acquire_many(cache, kSwarm, 200);
  EXPECT_EQ(count_resident(few), 0U);
  const std::vector<Stack*> many = acquire_many(cache, kSwarm, 800);
  EXPECT_GE(count_resident(many), fetches_pages() ? 700U : 0U);
  EXPECT_EQ(count_resident(few), 0U);
  release_all(cache, few);
  release_all(cache, many);
}

TEST(StackPool, TrimGivesBackAllButAFewStacks) {
  StackDepot depot(StackDepotOptions{.warm_bytes = 0});
  StackCache cache(depot);
  const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 1000);
  touch_top(stacks);
  release_all(cache, stacks);
  int calls = 1;
  while (cache.trim()) ++calls;
  EXPECT_GT(calls, 10) << "a call may not take long";
  EXPECT_LE(count_resident(stacks), 8U);
  EXPECT_GE(count_resident(stacks), 1U);

  const std::size_t carved = depot.stats().carved;
  const std::vector<Stack*> again = acquire_many(cache, kSwarm, 1000);
  touch_top(again);
  EXPECT_EQ(depot.stats().carved, carved) << "trimmed stacks are used again";
  release_all(cache, again);
}

TEST(StackPool, TrimKeepsWhatIsBelowTheMark) {
  StackDepot depot(StackDepotOptions{.warm_bytes = std::size_t{1000} * 64 * kKiB});
  StackCache cache(depot);
  const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 1000);
  touch_top(stacks);
  release_all(cache, stacks);
  EXPECT_FALSE(cache.trim());
  EXPECT_EQ(count_resident(stacks), 1000U);
}

TEST(StackPool, TrimSharesTheStacksOfAnIdleWorker) {
  StackDepot depot;
  StackCache idle(depot);
  StackCache busy(depot);
  release_all(idle, acquire_many(idle, kSwarm, 32));
  idle.trim();
  const std::size_t carved = depot.stats().carved;
  release_all(busy, acquire_many(busy, kSwarm, 24));
  EXPECT_EQ(depot.stats().carved, carved);
}

// A mapping function that can be told to fail, and to what size.
std::size_t g_largest_mapping = 0;

void* map_at_most(std::size_t bytes) noexcept {
  if (bytes > g_largest_mapping) return nullptr;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

TEST(StackPool, OutOfMemoryIsNullAndPasses) {
  g_largest_mapping = 0;
  StackDepot depot(StackDepotOptions{.map_slab = map_at_most});
  StackCache cache(depot);
  errno = 0;
  EXPECT_EQ(cache.acquire(kSwarm), nullptr);
  EXPECT_EQ(errno, ENOMEM);
  g_largest_mapping = kMaxStackSize;
  Stack* stack = cache.acquire(kSwarm);
  ASSERT_NE(stack, nullptr);
  cache.release(stack);
}

TEST(StackPool, SmallerSlabIsTakenWhereALargeOneDoesNotFit) {
  g_largest_mapping = 300 * kKiB;
  StackDepot depot(StackDepotOptions{.map_slab = map_at_most});
  StackCache cache(depot);
  const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 10);
  EXPECT_EQ(std::count(stacks.begin(), stacks.end(), nullptr), 0);
  EXPECT_EQ(depot.stats().mapped_bytes, 3 * 256 * kKiB);
  EXPECT_EQ(cache.acquire(kStackSizeClasses - 1), nullptr);
  release_all(cache, stacks);
}

// Every page of the mapping is locked when touched, which the kernel takes as a reason to refuse
// guards and MADV_DONTNEED. One megabyte, because ordinary users may lock eight.
void* map_locked(std::size_t bytes) noexcept {
  g_largest_mapping = std::size_t{1} << 20;
  void* memory = map_at_most(bytes);
  if (memory != nullptr && ::mlock2(memory, bytes, MLOCK_ONFAULT) != 0) {
    ::munmap(memory, bytes);
    return nullptr;
  }
  return memory;
}

TEST(StackPool, SuccessLeavesErrnoAlone) {
  StackDepot depot(StackDepotOptions{.guard = GuardPolicy::kKernel, .map_slab = map_locked});
  StackCache cache(depot);
  errno = E2BIG;
  Stack* stack = cache.acquire(kSwarm);
  if (stack == nullptr) GTEST_SKIP() << "no memory may be locked here";
  EXPECT_EQ(errno, E2BIG) << "although larger slabs and the kernel's guard were refused";
  cache.release(stack);
}

TEST(StackPool, LockedSlabFallsBackToMprotectAndTrimsWithoutEnd) {
  StackDepot depot(
      StackDepotOptions{.guard = GuardPolicy::kKernel, .map_slab = map_locked, .warm_bytes = 0});
  StackCache cache(depot);
  const std::vector<Stack*> stacks = acquire_many(cache, kSwarm, 12);
  if (stacks[0] == nullptr) GTEST_SKIP() << "no memory may be locked here";
  EXPECT_EQ(depot.stats().guarded_by_mprotect, depot.stats().carved);
  release_all(cache, stacks);
  while (cache.trim()) continue;
}

#if defined(WEFT_TSAN)
TEST(StackPool, DepotDestroysThreadSanitizersContexts) {
  StackDepot depot;
  StackCache cache(depot);
  Stack* stack = cache.acquire(kSwarm);
  stack->tsan_fiber = __tsan_create_fiber(0);
  cache.release(stack);
}
#endif

#if defined(WEFT_ASAN)
TEST_F(StackPoolDeathTest, UseOfAReleasedStackIsReported) {
  StackDepot depot;
  StackCache cache(depot);
  Stack* stack = cache.acquire(kSwarm);
  std::byte* dangling = stack->top() - 64;
  cache.release(stack);
  EXPECT_DEATH(*const_cast<volatile std::byte*>(dangling) = std::byte{1}, "use-after-poison");
}
#endif

#if !defined(WEFT_ASAN) && !defined(WEFT_TSAN)  // whose shadow memory fits under no such limit
[[noreturn]] void use_up_a_limited_address_space() {
  const rlimit limit{std::size_t{600} << 20, std::size_t{600} << 20};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
  StackDepot depot;
  StackCache cache(depot);
  std::size_t count = 0;
  while (cache.acquire(kDefault) != nullptr) ++count;
  const bool fits = errno == ENOMEM && count > 1000 && count < 2400;
  std::_Exit(fits ? 0 : 1);
}

TEST_F(StackPoolDeathTest, AddressSpaceLimitIsSurvived) {
  EXPECT_EXIT(use_up_a_limited_address_space(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace weft::detail
