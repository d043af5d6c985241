// Goal: no stack is ever handed out twice, lost or damaged while threads take, pass on, give back
// and trim. Method: every holder tags both ends of its stack and finds the tags untouched before it
// lets go. Stacks also change hands directly, so that most are released by another thread than took
// them. The random choices come from fixed seeds, the interleaving from the machine; the sanitizers
// look on.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/atomic.h"
#include "fiber/stack_pool.h"

namespace weft::detail {
namespace {

constexpr std::size_t kThreads = 4;
constexpr std::size_t kRounds = 40000;
constexpr std::size_t kHeldAtMost = 64;
constexpr std::size_t kCachedAtMost = 2 * 32;
constexpr std::size_t kCarvedAtOnce = 8;
constexpr std::array<std::uint8_t, 3> kClasses = {0, size_class_for(64 << 10),
                                                  size_class_for(256 << 10)};

// Where threads leave stacks for each other. Whoever exchanges a stack out owns it, tags included.
using Exchange = std::array<Atomic<Stack*>, 32>;

void tag(Stack& stack, std::uint64_t value) {
  std::memcpy(stack.limit, &value, sizeof value);
  std::memcpy(stack.top() - sizeof value, &value, sizeof value);
}

std::uint64_t read_tag(const Stack& stack) {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::memcpy(&low, stack.limit, sizeof low);
  std::memcpy(&high, stack.top() - sizeof high, sizeof high);
  EXPECT_EQ(low, high) << "someone else wrote to one end";
  return low;
}

// The tag says whose stack it is, so a stack handed out twice shows whichever of the two looks
// first.
std::uint64_t tag_for(const Stack& stack, std::uint64_t owner) {
  return reinterpret_cast<std::uintptr_t>(&stack) ^ (owner << 56);
}

class Player {
 public:
  Player(StackDepot& depot, Exchange& exchange, std::uint64_t number)
      : depot_(depot), cache_(depot), exchange_(exchange), number_(number), random_(number) {}

  void play() {
    for (std::size_t round = 0; round < kRounds; ++round) {
      const std::uint64_t dice = random_();
      if (dice % 1024 == 0) cache_.trim();
      if (dice % 512 == 1) depot_.stats();  // reads what the others write
      const bool take = held_.size() < kHeldAtMost && (held_.empty() || (dice >> 16) % 2 == 0);
      if (take) {
        take_one(kClasses[(dice >> 20) % kClasses.size()]);
      } else if ((dice >> 24) % 4 == 0) {
        pass_on(exchange_[(dice >> 32) % exchange_.size()]);
      } else {
        let_go((dice >> 32) % held_.size());
      }
    }
    while (!held_.empty()) let_go(0);
  }

  std::size_t refused() const { return refused_; }

 private:
  struct Held {
    Stack* stack;
    std::uint64_t tag;
  };

  void take_one(std::uint8_t size_class) {
    Stack* stack = cache_.acquire(size_class);
    if (stack == nullptr) {
      ++refused_;
      return;
    }
    held_.push_back({stack, tag_for(*stack, number_)});
    tag(*stack, held_.back().tag);
  }

  void pass_on(Atomic<Stack*>& place) {
    if (held_.empty()) return;
    Stack* theirs = place.exchange(held_.back().stack);
    held_.pop_back();
    if (theirs != nullptr) held_.push_back({theirs, read_tag(*theirs)});
  }

  void let_go(std::size_t index) {
    if (held_.empty()) return;
    const Held held = held_[index];
    held_[index] = held_.back();
    held_.pop_back();
    EXPECT_EQ(read_tag(*held.stack), held.tag);
    EXPECT_EQ(held.tag & ~(std::uint64_t{0xff} << 56), tag_for(*held.stack, 0));
    tag(*held.stack, 0);
    cache_.release(held.stack);
  }

  StackDepot& depot_;
  StackCache cache_;
  Exchange& exchange_;
  const std::uint64_t number_;
  std::mt19937_64 random_;
  std::vector<Held> held_;
  std::size_t refused_ = 0;
};

// Plays with all threads; returns how often there was no stack.
std::size_t play_all(StackDepot& depot) {
  Exchange exchange{};
  Atomic<std::size_t> refused{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i <= kThreads; ++i) {
    threads.emplace_back([&, i] {
      Player player(depot, exchange, i);
      player.play();
      refused.fetch_add(player.refused());
    });
  }
  for (std::thread& thread : threads) thread.join();
  StackCache cache(depot);
  for (Atomic<Stack*>& place : exchange) {
    if (Stack* stack = place.load()) cache.release(stack);
  }
  EXPECT_EQ(depot.stats().in_use, 0U);
  return refused.load();
}

// A class carves only when the depot has none of it, and then every stack of the class is held or
// cached.
constexpr std::size_t kMostStacks =
    kClasses.size() *
    (kThreads * (kHeldAtMost + kCachedAtMost + kCarvedAtOnce) + std::tuple_size_v<Exchange>);

TEST(StackPoolStress, EveryStackHasOneHolder) {
  for (const GuardPolicy policy :
       {GuardPolicy::kAuto, GuardPolicy::kMprotect, GuardPolicy::kNone}) {
    StackDepot depot(StackDepotOptions{.guard = policy, .warm_bytes = 0});
    EXPECT_EQ(play_all(depot), 0U);
    EXPECT_LE(depot.stats().carved, kMostStacks);
  }
}

// One mapping in three works, and only small ones.
void* map_sometimes(std::size_t bytes) noexcept {
  static Atomic<unsigned> calls{0};
  if (bytes > (std::size_t{1} << 20) || calls.fetch_add(1) % 3 != 0) return nullptr;
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void* map_at_first(std::size_t bytes) noexcept {
  static Atomic<unsigned> calls{0};
  return calls.fetch_add(1) < 20 ? map_sometimes(bytes) : nullptr;
}

TEST(StackPoolStress, LackOfMemoryLosesNothing) {
  StackDepot slow(StackDepotOptions{.map_slab = map_sometimes, .warm_bytes = 0});
  play_all(slow);
  EXPECT_LE(slow.stats().carved, kMostStacks);
  StackDepot dry(StackDepotOptions{.map_slab = map_at_first, .warm_bytes = 0});
  EXPECT_GT(play_all(dry), 0U);
}

}  // namespace
}  // namespace weft::detail
