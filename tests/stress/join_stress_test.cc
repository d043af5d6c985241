// Goal: whoever waits for a child that runs at once goes on exactly once, whether the child ends,
// stops first, or somebody else cancels the wait meanwhile, and nobody touches what it waited in
// after that. Method: parents that wait for children which do something at random, each beside one
// that cancels it at a random moment, on several workers; every end is counted.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "support/build_kind.h"
#include "support/seed.h"

namespace {

using support::Random;

struct Counts {
  std::atomic<int> children{0};
  std::atomic<int> values{0};
  std::atomic<int> cancelled{0};
};

void compute(int steps) {
  for (std::atomic<int> step = 0; step < steps; step.fetch_add(1, std::memory_order_relaxed)) {
  }
}

int do_something(Random& random) {
  switch (random.below(6)) {
    case 0:
      compute(random.below(20'000));
      break;
    case 1:
      weft::yield();
      break;
    case 2:
      weft::sleep_for(std::chrono::microseconds(random.below(50)));
      break;
    case 3:
      return weft::spawn([random = random.split()]() mutable { return do_something(random); })
          .get();
    default:
      break;
  }
  return 1;
}

// By get(), which passes a request on to the child, or by join(), which leaves it alone. The child
// has what it needs, as it may outlive the wait.
void wait_for_a_child(Random& random, const std::shared_ptr<Counts>& counts) {
  auto child = weft::spawn([counts, random = random.split()]() mutable {
    const int value = do_something(random);
    counts->children.fetch_add(1);
    return value;
  });
  try {
    if (random.one_in(2)) {
      counts->values.fetch_add(child.get());
    } else {
      child.join();
      counts->values.fetch_add(1);
    }
  } catch (const weft::Cancelled&) {
    counts->cancelled.fetch_add(1);
  }
}

void play(unsigned workers, int parents) {
  constexpr int kWaits = 8;
  const auto counts = std::make_shared<Counts>();
  weft::run(weft::Options{.workers = workers}, [&] {
    Random random(workers);
    std::vector<weft::Task<void>> tasks;
    for (int i = 0; i < parents; ++i) {
      auto parent = weft::spawn([counts, random = random.split()]() mutable {
        for (int wait = 0; wait < kWaits; ++wait) wait_for_a_child(random, counts);
      });
      tasks.push_back(weft::spawn([parent, random = random.split()]() mutable {
        for (int request = random.below(3); request > 0; --request) {
          compute(random.below(30'000));
          parent.cancel();
          weft::yield();
        }
        // It ends as one that was cancelled if the last request came after its last wait.
        parent.join();
      }));
      if (tasks.size() == 64) {
        for (auto& task : tasks) task.get();
        tasks.clear();
      }
    }
    for (auto& task : tasks) task.get();
  });
  const int ended = counts->values.load() + counts->cancelled.load();
  EXPECT_LE(ended, parents * kWaits);
  // A parent that is cancelled before it begins does not run.
  EXPECT_GT(ended, parents * kWaits / 2);
  EXPECT_GT(counts->values.load(), 0);
  EXPECT_GT(counts->cancelled.load(), 0);
  EXPECT_GT(counts->children.load(), 0);
}

TEST(JoinStress, TwoWorkers) { play(2, support::scaled(5'000)); }
TEST(JoinStress, FourWorkers) { play(4, support::scaled(5'000)); }

}  // namespace
