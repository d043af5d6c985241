// Goal: whatever is gathered, and however the ends of children, failures and cancellations fall
// together, a gather gives what its children's ends say it must, no child is lost, and a cancelled
// gather leaves nobody behind. Method: random trees of gathers whose outcome can be worked out
// without running them; the run is compared with that.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
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

constexpr auto kTime = 2s;
constexpr long kOfAFailure = 1'000'000;

struct Failure {
  int leaf;
};

/// A gather, or a leaf of the tree. `expected` are the sums it may give; none: it must fail with
/// one of `failures`.
struct Plan {
  enum Kind { kLeaf, kFailingLeaf, kPair, kRange, kTasks, kTwice, kOutcomes } kind = kLeaf;
  int id = 0;
  int pause = 0;
  std::vector<Plan> children;
  std::optional<long> expected;
  std::set<int> failures;
};

class Planner {
 public:
  Planner(std::uint64_t stream, bool failing) : random_(stream), failing_(failing) {}

  Plan plan(int depth) {
    Plan plan;
    plan.id = nodes_++;
    plan.pause = random_.below(6);
    if (depth == 0 || random_.one_in(5)) {
      const bool fails = failing_ && random_.one_in(9);
      plan.kind = fails ? Plan::kFailingLeaf : Plan::kLeaf;
      if (fails) {
        plan.failures.insert(plan.id);
      } else {
        plan.expected = plan.id;
      }
      return plan;
    }
    plan.kind = static_cast<Plan::Kind>(Plan::kPair + random_.below(5));
    const int children = plan.kind == Plan::kPair    ? 2
                         : plan.kind == Plan::kTwice ? 1
                                                     : random_.below(18);
    for (int i = 0; i < children; ++i) plan.children.push_back(this->plan(depth - 1));
    foresee(plan);
    return plan;
  }
  int nodes() const { return nodes_; }

 private:
  static void foresee(Plan& plan) {
    long sum = 0;
    for (const Plan& child : plan.children) {
      if (child.expected) {
        sum += *child.expected * (plan.kind == Plan::kTwice ? 2 : 1);
      } else if (plan.kind == Plan::kOutcomes) {
        sum += kOfAFailure;
      } else {
        plan.failures.insert(child.failures.begin(), child.failures.end());
      }
    }
    if (plan.failures.empty()) plan.expected = sum;
  }

  Random random_;
  const bool failing_;
  int nodes_ = 0;
};

/// Runs a plan. Outlives every task of it.
class Performance {
 public:
  long perform(const Plan& plan) {
    ++begun_;
    ++running_;
    struct End {
      Performance& self;
      ~End() {
        --self.running_;
        ++self.ended_;
      }
    } end{*this};
    for (int i = plan.pause; i > 2; --i) weft::yield();
    if (plan.pause == 1) weft::sleep_for(std::chrono::microseconds(plan.id % 50));
    const long result = of_kind(plan);
    EXPECT_EQ(result, plan.expected);
    return result;
  }

  int begun() const { return begun_; }
  int running() const { return running_; }
  int ended() const { return ended_; }

 private:
  auto job(const Plan& plan) {
    return [this, &plan, token = live_.token()] { return perform(plan); };
  }

  long of_kind(const Plan& plan) {
    switch (plan.kind) {
      case Plan::kLeaf:
        return plan.id;
      case Plan::kFailingLeaf:
        throw Failure{plan.id};
      case Plan::kPair: {
        const auto [a, b] = weft::gather(job(plan.children[0]), job(plan.children[1]));
        return a + b;
      }
      case Plan::kTwice: {
        const weft::Task<long> task = weft::spawn(job(plan.children[0]));
        const auto [a, b] = weft::gather(task, task);
        return a + b;
      }
      case Plan::kRange:
      case Plan::kTasks:
      case Plan::kOutcomes:
        return of_range(plan);
    }
    return 0;
  }

  long of_range(const Plan& plan) {
    std::vector<decltype(job(plan))> jobs;
    for (const Plan& child : plan.children) jobs.push_back(job(child));
    long sum = 0;
    if (plan.kind == Plan::kOutcomes) {
      for (const auto& outcome : weft::gather(weft::return_exceptions, jobs)) {
        sum += outcome ? outcome.value() : kOfAFailure;
      }
    } else if (plan.kind == Plan::kTasks) {
      std::vector<weft::Task<long>> tasks;
      for (auto& each : jobs) tasks.push_back(weft::spawn(each));
      for (const long result : weft::gather(tasks)) sum += result;
    } else {
      for (const long result : weft::gather(std::move(jobs))) sum += result;
    }
    return sum;
  }

  LiveCount live_;
  std::atomic<int> begun_{0}, running_{0}, ended_{0};
};

weft::Options random_options(Random& random) {
  return {.workers = 1u + static_cast<unsigned>(random.below(4)), .fifo = random.one_in(4)};
}

constexpr int kDepth = support::kThreadSanitizer ? 2 : 3;

TEST(GatherStress, GivesWhatItsChildrenSay) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    Planner planner(stream + 1, /*failing=*/true);
    const Plan plan = planner.plan(kDepth);
    Performance performance;
    weft::run(random_options(random), [&] {
      try {
        EXPECT_EQ(performance.perform(plan), plan.expected);
      } catch (const Failure& failure) {
        EXPECT_FALSE(plan.expected.has_value());
        EXPECT_EQ(plan.failures.count(failure.leaf), 1u);
      }
      // Siblings of those that failed go on, and start what they would have started.
      while (performance.running() > 0 || performance.begun() < planner.nodes()) {
        weft::sleep_for(20us);
      }
    });
    EXPECT_EQ(performance.begun(), planner.nodes());
    EXPECT_EQ(performance.ended(), planner.nodes());
  });
}

TEST(GatherStress, CancelledLeavesNobodyBehind) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    Planner planner(stream + 1, /*failing=*/false);
    const Plan plan = planner.plan(kDepth);
    Performance performance;
    weft::run(random_options(random), [&] {
      weft::Task<void> task = weft::spawn([&] {
        try {
          EXPECT_EQ(performance.perform(plan), plan.expected);
        } catch (const weft::Cancelled&) {
          EXPECT_EQ(performance.running(), 0) << "the gather left before its children";
        }
      });
      for (int i = random.below(40); i > 0; --i) weft::yield();
      if (random.one_in(2)) weft::sleep_for(std::chrono::microseconds(random.below(300)));
      task.cancel();
      if (random.one_in(3)) task.cancel();
      task.join();
    });
    EXPECT_EQ(performance.begun(), performance.ended());
  });
}

// The caller leaves because of one child while the others end: the last thing they touch of it must
// be touched before it is gone.
TEST(GatherStress, FailuresRaceWithTheEndsOfSiblings) {
  support::for_rounds(1s, [](std::uint64_t stream) {
    std::atomic<int> ended{0};
    int expected = 0;
    Random random(stream);
    weft::run(random_options(random), [&] {
      for (int i = 0; i < scaled(400); ++i) {
        const int siblings = 1 + random.below(16);
        std::vector<std::function<void()>> children;
        for (int child = 0; child < siblings; ++child) {
          children.push_back([&ended, turns = random.below(4)] {
            for (int turn = 0; turn < turns; ++turn) weft::yield();
            ++ended;
          });
        }
        children.insert(children.begin() + random.below(siblings), [turns = random.below(3)] {
          for (int turn = 0; turn < turns; ++turn) weft::yield();
          throw Failure{0};
        });
        expected += siblings;
        EXPECT_THROW(weft::gather(std::move(children)), Failure);
      }
      while (ended < expected) weft::yield();
    });
  });
}

}  // namespace
