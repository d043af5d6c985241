// Goal: a stack is in one place, whoever acquires, releases and trims at the same time: none is
// handed out twice, none is lost, and none that is in use loses its memory. Method: the depot and
// the caches of fiber/stack_pool.h, with the classes in which a chain is two stacks, and one.

#include "fiber/stack_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "proof.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Atomic;
using weft::detail::GuardBudget;
using weft::detail::GuardPolicy;
using weft::detail::size_class_for;
using weft::detail::Stack;
using weft::detail::StackCache;
using weft::detail::StackDepot;
using weft::detail::StackStats;
using Threads = std::vector<std::function<void()>>;

constexpr std::size_t kSlab = weft::detail::kMaxStackSize;
constexpr std::size_t kSlabs = 4;
constexpr std::uint8_t kPairs = size_class_for(std::size_t{2} << 20);  // chains of two
constexpr std::uint8_t kSingles = size_class_for(kSlab);               // and a slab for each

std::set<const Stack*> g_in_use;
std::size_t g_slabs = 0;

// Slabs come from one piece of address space, so that runs do not differ.
void* map_slab(std::size_t bytes) noexcept {
  static void* const all = ::mmap(nullptr, kSlabs * kSlab, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  model::step("maps a slab");
  if (bytes != kSlab || g_slabs == kSlabs) return nullptr;
  return static_cast<std::byte*>(all) + g_slabs++ * kSlab;
}

}  // namespace

extern "C" int munmap(void*, std::size_t) noexcept { return 0; }
extern "C" int madvise(void* memory, std::size_t bytes, int) noexcept {
  model::step("gives memory back");
  const auto* const begin = static_cast<const std::byte*>(memory);
  for (const Stack* const stack : g_in_use) {
    require(stack->top() <= begin || stack->limit >= begin + bytes,
            "memory that is given back is nobody's stack");
  }
  return 0;
}

namespace {

class Pool : public Model {
 protected:
  explicit Pool(int caches_at_start) {
    g_in_use.clear();
    g_slabs = 0;
    depot.emplace(weft::detail::StackDepotOptions{
        .guard = GuardPolicy::kNone, .budget = &budget, .map_slab = &map_slab, .warm_bytes = 0});
    for (int i = 0; i < caches_at_start; ++i) caches[i].emplace(*depot);
  }

  Stack* acquire(int cache, std::uint8_t size_class) {
    Stack* const stack = caches[cache]->acquire(size_class);
    require(stack != nullptr, "there is memory for it");
    require(g_in_use.insert(stack).second, "a stack is handed out once");
    const auto [place, is_new] = places_.emplace(stack->limit, stack);
    require(is_new || place->second == stack, "no two stacks share memory");
    return stack;
  }
  void release(int cache, Stack* stack) {
    g_in_use.erase(stack);
    caches[cache]->release(stack);
  }
  void go_to_and_fro(int cache, std::uint8_t size_class, int count) {
    Stack* stacks[5];
    for (int i = 0; i < count; ++i) stacks[i] = acquire(cache, size_class);
    for (int i = 0; i < count; ++i) release(cache, stacks[i]);
  }
  void end_cache(int cache) {
    caches[cache].reset();
    model::gone(&caches[cache], sizeof caches[cache]);
  }
  void check_stats() {
    const StackStats stats = depot->stats();
    require(stats.in_use <= stats.carved, "no more are in use than there are");
    require(stats.guarded_by_kernel + stats.guarded_by_mprotect + stats.unguarded == stats.carved,
            "each has a guard or has none");
  }
  void at_end() override {
    for (auto& cache : caches) cache.reset();
    const StackStats stats = depot->stats();
    require(stats.in_use == 0, "no stack is lost");
    require(stats.carved >= places_.size(), "and none was made up");
    require(stats.mapped_bytes == g_slabs * kSlab, "slabs are counted");
    depot.reset();
  }

  GuardBudget budget{0};
  std::optional<StackDepot> depot;
  std::array<std::optional<StackCache>, 2> caches;

 private:
  std::map<const std::byte*, const Stack*> places_;
};

// Both carve, from one slab.
struct Carving : Pool {
  Carving() : Pool(2) {}
  Threads threads() override {
    return {[this] { go_to_and_fro(0, kPairs, 2); }, [this] { go_to_and_fro(1, kPairs, 2); }};
  }
  void at_end() override {
    require(g_slabs == 1, "there was room in the first slab");
    Pool::at_end();
  }
};
TEST(StackPoolModel, TwoCachesCarve) {
  support::expect_proven<Carving>({.preemptions = 3, .delays = 0});
}

// Chains of one: whatever is released goes by the depot.
struct Exchanging : Pool {
  Exchanging() : Pool(2) {}
  Threads threads() override {
    return {[this] { go_to_and_fro(0, kSingles, 3); }, [this] { hand_over(); }};
  }
  void hand_over() {
    Stack* const stack = acquire(1, kSingles);
    release(1, stack);
    release(1, acquire(1, kSingles));
  }
  void at_end() override {
    require(g_slabs <= 4, "what was free was used again");
    Pool::at_end();
  }
};
TEST(StackPoolModel, ChainsGoThroughTheDepot) {
  support::expect_proven<Exchanging>({.preemptions = 3, .delays = 0});
}

// One worker is idle and trims; the other takes what that one gives back.
struct Trimming : Pool {
  Trimming() : Pool(2) {}
  Threads threads() override {
    return {[this] {
              go_to_and_fro(0, kSingles, 2);
              while (caches[0]->trim()) {
              }
            },
            [this] { go_to_and_fro(1, kSingles, 2); }};
  }
};
TEST(StackPoolModel, OneTrimsWhatTheOtherTakes) {
  support::expect_proven<Trimming>({.preemptions = 2, .delays = 0});
}

// More than two chains: the spare one is filled, emptied and given away.
struct Spares : Pool {
  Spares() : Pool(2) {}
  Threads threads() override {
    return {[this] {
              go_to_and_fro(0, kPairs, 5);
              go_to_and_fro(0, kPairs, 5);
            },
            [this] { go_to_and_fro(1, kPairs, 3); }};
  }
};
TEST(StackPoolModel, ChainsBecomeSpareAndHotAgain) {
  support::expect_proven<Spares>({.preemptions = 2, .delays = 0});
}

// A fiber ends at another worker than it began at, whose cache ends, while somebody asks for
// metrics: its stack may be counted in both places, or in none.
struct Counting : Pool {
  Counting() : Pool(2) {}
  Threads threads() override {
    return {[this] {
              go_to_and_fro(1, kSingles, 1);
              moving.store(acquire(1, kSingles), std::memory_order_release);
              end_cache(1);
            },
            [this] {
              Stack* stack = nullptr;
              while ((stack = moving.load(std::memory_order_acquire)) == nullptr) {
                weft::detail::cpu_relax();
              }
              release(0, stack);
            },
            [this] { check_stats(); }};
  }
  Atomic<Stack*> moving{nullptr};
};
TEST(StackPoolModel, MetricsWhileAFiberMovesAndACacheEnds) {
  support::expect_proven<Counting>({.preemptions = 2, .delays = 0});
}

}  // namespace
