// Goal: timers fire in (deadline, arming) order and exactly once, and a cancelled one never does,
// wherever in the heap it was. Method: small cases by hand, every position of small heaps, and long
// random runs against a std::multimap, which keeps equal keys in the order of insertion. One
// thread, a clock that is a plain number.

#include "time/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using Log = std::vector<int>;

class LoggingTimer : public Timer {
 public:
  LoggingTimer(int id, Log& log)
      : Timer([](Timer& timer) noexcept {
          auto& self = static_cast<LoggingTimer&>(timer);
          self.log_.push_back(self.id_);
        }),
        id_(id),
        log_(log) {}

  int id() const { return id_; }

 private:
  const int id_;
  Log& log_;
};

class TimerQueueTest : public testing::Test {
 protected:
  LoggingTimer& make() { return timers_.emplace_back(static_cast<int>(timers_.size()), log_); }
  LoggingTimer& arm(Nanos deadline) {
    LoggingTimer& timer = make();
    queue_.arm(timer, deadline);
    return timer;
  }
  Log take_log() { return std::exchange(log_, {}); }
  void TearDown() override {
    for (LoggingTimer& timer : timers_) timer.cancel();
  }

  Log log_;
  TimerQueue queue_;
  std::deque<LoggingTimer> timers_;
};

TEST_F(TimerQueueTest, IsEmptyAtFirst) {
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_EQ(queue_.next_deadline(), kNever);
  EXPECT_EQ(queue_.expire(kNever), 0u);
}

TEST_F(TimerQueueTest, FiresInDeadlineOrder) {
  for (const Nanos deadline : {50, 20, 90, 10, 70, 30, 80, 40, 60}) arm(deadline);
  EXPECT_EQ(queue_.expire(100), 9u);
  EXPECT_EQ(take_log(), (Log{3, 1, 5, 7, 0, 8, 4, 6, 2}));
}

TEST_F(TimerQueueTest, FiresWhatIsDueAndNoMore) {
  arm(10);
  arm(11);
  EXPECT_EQ(queue_.expire(9), 0u);
  EXPECT_EQ(queue_.expire(10), 1u);
  EXPECT_EQ(take_log(), (Log{0}));
  EXPECT_EQ(queue_.next_deadline(), 11);
  EXPECT_EQ(queue_.size(), 1u);
}

TEST_F(TimerQueueTest, EqualDeadlinesFireInOrderOfArming) {
  Log expected;
  for (int i = 0; i < 200; ++i) expected.push_back(arm(7).id());
  queue_.expire(7);
  EXPECT_EQ(take_log(), expected);
}

TEST_F(TimerQueueTest, EqualDeadlinesKeepOrderWhenOthersComeAndGo) {
  Log expected;
  for (int i = 0; i < 100; ++i) {
    arm(5);
    expected.push_back(arm(7).id());
    arm(9);
    LoggingTimer& leaver = arm(7);
    arm(6).cancel();
    leaver.cancel();
  }
  queue_.expire(5);
  take_log();
  queue_.expire(7);
  EXPECT_EQ(take_log(), expected);
}

TEST_F(TimerQueueTest, CancelledTimerNeverFires) {
  LoggingTimer& timer = arm(10);
  EXPECT_TRUE(timer.armed());
  EXPECT_TRUE(TimerQueue::cancel(timer));
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(queue_.expire(100), 0u);
  EXPECT_TRUE(take_log().empty());
}

TEST_F(TimerQueueTest, CancelOfIdleTimerIsFalse) {
  LoggingTimer& never_armed = make();
  EXPECT_FALSE(never_armed.cancel());
  LoggingTimer& fired = arm(1);
  queue_.expire(1);
  EXPECT_FALSE(fired.armed());
  EXPECT_FALSE(fired.cancel());
  LoggingTimer& cancelled = arm(1);
  EXPECT_TRUE(cancelled.cancel());
  EXPECT_FALSE(cancelled.cancel());
}

TEST_F(TimerQueueTest, TimerServesAgainInAnotherQueue) {
  TimerQueue other;
  LoggingTimer& timer = arm(1);
  queue_.expire(1);
  other.arm(timer, 2);
  EXPECT_EQ(timer.deadline(), 2);
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_TRUE(timer.cancel());
  EXPECT_EQ(other.size(), 0u);
  queue_.arm(timer, 3);
  EXPECT_EQ(queue_.expire(3), 1u);
  EXPECT_EQ(take_log(), (Log{0, 0}));
}

TEST_F(TimerQueueTest, NextDeadlineFollowsTheEarliest) {
  LoggingTimer& late = arm(30);
  EXPECT_EQ(queue_.next_deadline(), 30);
  LoggingTimer& early = arm(10);
  EXPECT_EQ(queue_.next_deadline(), 10);
  LoggingTimer& middle = arm(20);
  EXPECT_EQ(queue_.next_deadline(), 10);
  early.cancel();
  EXPECT_EQ(queue_.next_deadline(), 20);
  late.cancel();
  EXPECT_EQ(queue_.next_deadline(), 20);
  middle.cancel();
  EXPECT_EQ(queue_.next_deadline(), kNever);
}

TEST_F(TimerQueueTest, NeverNeverComes) {
  arm(kNever);
  arm(kNever - 1);
  EXPECT_EQ(queue_.expire(kNever), 1u);
  EXPECT_EQ(take_log(), (Log{1}));
  EXPECT_EQ(queue_.size(), 1u);
}

TEST_F(TimerQueueTest, ExpireStopsAtItsLimit) {
  for (int i = 0; i < 100; ++i) arm(i);
  EXPECT_EQ(queue_.expire(1000, 0), 0u);
  EXPECT_EQ(queue_.expire(1000, 1), 1u);
  EXPECT_EQ(queue_.expire(1000, 30), 30u);
  EXPECT_EQ(log_.size(), 31u);
  EXPECT_EQ(queue_.next_deadline(), 31);
  EXPECT_EQ(queue_.expire(1000), 69u);
  EXPECT_TRUE(std::is_sorted(log_.begin(), log_.end()));
}

TEST_F(TimerQueueTest, PublishesOnceTheTimerIsQueued) {
  LoggingTimer& timer = make();
  const bool armed = queue_.arm(timer, 10, [&] { return timer.armed(); });
  EXPECT_TRUE(armed);
  EXPECT_EQ(queue_.expire(10), 1u);
}

TEST_F(TimerQueueTest, FiredTimerMayEndItsOwnLife) {
  struct Mortal : Timer {
    Mortal() : Timer([](Timer& timer) noexcept { delete static_cast<Mortal*>(&timer); }) {}
  };
  for (int i = 0; i < 50; ++i) queue_.arm(*std::make_unique<Mortal>().release(), i % 7);
  EXPECT_EQ(queue_.expire(10), 50u);
}

// Heaps of 1 to 30 timers are up to four levels deep; each timer in turn is the one that leaves.
TEST_F(TimerQueueTest, CancelsAtEveryPosition) {
  std::mt19937 random(1);
  for (int size = 1; size <= 30; ++size) {
    for (int victim = 0; victim < size; ++victim) {
      timers_.clear();
      std::vector<Nanos> deadlines(static_cast<std::size_t>(size));
      for (int i = 0; i < size; ++i) deadlines[static_cast<std::size_t>(i)] = i / 2;
      std::shuffle(deadlines.begin(), deadlines.end(), random);
      std::multimap<Nanos, int> model;
      for (const Nanos deadline : deadlines) {
        const int id = arm(deadline).id();
        if (id != victim) model.emplace(deadline, id);
      }
      EXPECT_TRUE(timers_[static_cast<std::size_t>(victim)].cancel());
      queue_.expire(size);
      Log expected;
      for (const auto& [deadline, id] : model) expected.push_back(id);
      ASSERT_EQ(take_log(), expected) << "size " << size << ", victim " << victim;
    }
  }
}

// Arms, cancels and expires at random, in phases that grow and shrink the heap, few deadlines so
// that ties abound.
class RandomRun {
 public:
  explicit RandomRun(unsigned seed) : random_(seed) {
    for (int id = 0; id < kTimers; ++id) idle_.push_back(&timers_.emplace_back(id, log_));
  }
  ~RandomRun() {
    for (LoggingTimer& timer : timers_) timer.cancel();
  }
  RandomRun(const RandomRun&) = delete;
  RandomRun& operator=(const RandomRun&) = delete;

  void step(unsigned arm_percent) {
    const unsigned dice = below(100);
    if (dice < arm_percent) {
      arm();
    } else if (dice < arm_percent + (100 - arm_percent) / 2) {
      cancel();
    } else if (dice < 99) {
      expire(time_ + below(3), 1 + below(12));
    } else {
      expire(time_ + below(30), TimerQueue::kNoLimit);
    }
    check();
  }

 private:
  static constexpr int kTimers = 500;

  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  void arm() {
    if (idle_.empty()) return;
    std::swap(idle_[below(static_cast<unsigned>(idle_.size()))], idle_.back());
    LoggingTimer& timer = *idle_.back();
    idle_.pop_back();
    const Nanos deadline = time_ + below(100);
    queue_.arm(timer, deadline);
    model_.emplace(deadline, &timer);
  }

  void cancel() {
    LoggingTimer& timer = timers_[below(kTimers)];
    const auto [first, last] = model_.equal_range(timer.deadline());
    const auto found =
        std::find_if(first, last, [&](auto& entry) { return entry.second == &timer; });
    ASSERT_EQ(timer.cancel(), found != last);
    if (found == last) return;
    model_.erase(found);
    idle_.push_back(&timer);
  }

  void expire(Nanos time, std::size_t limit) {
    time_ = time;
    Log expected;
    while (expected.size() < limit && !model_.empty() && model_.begin()->first <= time) {
      expected.push_back(model_.begin()->second->id());
      idle_.push_back(model_.begin()->second);
      model_.erase(model_.begin());
    }
    ASSERT_EQ(queue_.expire(time, limit), expected.size());
    ASSERT_EQ(std::exchange(log_, {}), expected);
  }

  void check() {
    ASSERT_EQ(queue_.size(), model_.size());
    ASSERT_EQ(queue_.next_deadline(), model_.empty() ? kNever : model_.begin()->first);
  }

  std::mt19937 random_;
  Log log_;
  TimerQueue queue_;
  std::deque<LoggingTimer> timers_;
  std::vector<LoggingTimer*> idle_;
  std::multimap<Nanos, LoggingTimer*> model_;
  Nanos time_ = 0;
};

class TimerQueueRandom : public testing::TestWithParam<unsigned> {};

TEST_P(TimerQueueRandom, AgreesWithMultimap) {
  RandomRun run(GetParam());
  for (const unsigned arm_percent : {80u, 50u, 30u, 90u, 10u}) {
    for (int i = 0; i < 2000; ++i) {
      run.step(arm_percent);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerQueueRandom, testing::Range(1u, 9u));

using TimerQueueDeathTest = TimerQueueTest;

TEST_F(TimerQueueDeathTest, ArmingTwiceIsABrokenInvariant) {
  LoggingTimer& timer = arm(1);
  EXPECT_DEATH(queue_.arm(timer, 2), "broken invariant");
}

TEST_F(TimerQueueDeathTest, ArmedTimerThatDiesIsABrokenInvariant) {
  EXPECT_DEATH(
      {
        LoggingTimer timer(0, log_);
        queue_.arm(timer, 1);
      },
      "broken invariant");
}

}  // namespace
}  // namespace weft::detail
