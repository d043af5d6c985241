// Goal: however the ends, failures and cancellations of children, body and owner fall together, a
// group leaves last, with every failure that there was, or with Cancelled if there was none and
// somebody asked. Method: random groups in random runtimes, which note what they do; afterwards the
// notes and what left the group are compared.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

#include "support/build_kind.h"
#include "support/live_count.h"
#include "support/rounds.h"
#include "support/seed.h"

namespace {

using namespace std::chrono_literals;
using support::LiveCount;
using support::Random;
using support::scaled;

struct Failure : std::runtime_error {
  Failure() : std::runtime_error("failure") {}
};

class Party {
 public:
  explicit Party(bool failing) : failing_(failing) {}

  /// One group, to its end; `cancelled` tells whether somebody may ask the caller to stop.
  void meet(Random random, bool cancelled) {
    try {
      weft::task_group([&](weft::TaskGroup& group) {
        for (int i = random.below(8); i > 0; --i) spawn(group, random.split(), 2);
        act(random);
      });
      EXPECT_EQ(failures_, 0) << "a failure is lost";
    } catch (const weft::ExceptionGroup& group) {
      EXPECT_EQ(static_cast<int>(group.errors().size()), failures_);
      EXPECT_GT(failures_, 0);
    } catch (const weft::Cancelled&) {
      EXPECT_EQ(failures_, 0) << "the failures say more";
      EXPECT_TRUE(cancelled) << "nobody had asked";
    }
    EXPECT_EQ(begun_, ended_) << "the group left before its children";
  }
  int alive() const { return live_.alive(); }

 private:
  // Waits a little, or till it is stopped, and fails perhaps.
  void act(Random& random) {
    for (int i = random.below(6); i > 0; --i) weft::yield();
    if (random.one_in(4)) weft::sleep_for(std::chrono::microseconds(random.below(50)));
    if (!failing_ || !random.one_in(6)) return;
    ++failures_;
    throw Failure();
  }

  void child(weft::TaskGroup& group, Random random, int generations) {
    ++begun_;
    const auto token = live_.token();
    struct Ends {
      ~Ends() { ++count; }
      std::atomic<int>& count;
    } const ends{ended_};
    if (generations > 0 && random.one_in(3)) spawn(group, random.split(), generations - 1);
    try {
      act(random);
    } catch (const weft::Cancelled&) {
      if (!failing_ || !random.one_in(5)) throw;
      ++failures_;
      throw Failure();
    }
    if (random.one_in(10)) throw weft::Cancelled();
  }

  void spawn(weft::TaskGroup& group, Random random, int generations) {
    try {
      const bool cancels = random.one_in(10);
      const weft::Task<void> task =
          group.spawn([this, &group, random, generations, token = live_.token()] {
            child(group, random, generations);
          });
      if (cancels) task.cancel();
    } catch (const std::logic_error&) {
      // It stops already.
    }
  }

  const bool failing_;
  LiveCount live_;
  std::atomic<int> begun_{0}, ended_{0}, failures_{0};
};

weft::Options random_options(Random& random) {
  return {.workers = 1u + static_cast<unsigned>(random.below(4)), .fifo = random.one_in(4)};
}

void rounds_of(bool failing, bool cancelling) {
  support::for_rounds(2s, [=](std::uint64_t stream) {
    Random random(stream);
    weft::run(random_options(random), [&] {
      for (int i = 0; i < scaled(100); ++i) {
        Party party(failing);
        const weft::Task<void> owner =
            weft::spawn([&, mine = random.split()] { party.meet(mine, cancelling); });
        if (cancelling) {
          for (int turns = random.below(20); turns > 0; --turns) weft::yield();
          owner.cancel();
          if (random.one_in(3)) owner.cancel();
        }
        owner.join();
        EXPECT_EQ(party.alive(), 0);
        EXPECT_TRUE(cancelling || owner.cancelling() == 0) << "its own requests are taken back";
      }
    });
  });
}

TEST(TaskGroupStress, LeavesLast) { rounds_of(false, false); }
TEST(TaskGroupStress, LosesNoFailure) { rounds_of(true, false); }
TEST(TaskGroupStress, CancelledLeavesNobodyBehind) { rounds_of(false, true); }
TEST(TaskGroupStress, CancelledAndFailing) { rounds_of(true, true); }

}  // namespace
