// Goal: a sleeper wakes when it is woken, when its word has changed already, and at its deadline,
// and says which of the last two it was. Method: threads that sleep on one word. That a thread
// sleeps is read off its state in /proc, not guessed from the time.

#include "base/futex.h"

#include <gtest/gtest.h>

#include <climits>
#include <thread>

#include "support/eventually.h"
#include "support/process_state.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

constexpr Nanos kMillisecond = 1'000'000;

TEST(Futex, ChangedWordReturnsAtOnce) {
  const Atomic<std::uint32_t> word{1};
  EXPECT_TRUE(futex_wait(word, 0));
  EXPECT_TRUE(futex_wait(word, 0, 0)) << "the word counts before the deadline does";
}

TEST(Futex, DeadlineEndsTheWaitAndNotEarlier) {
  const Atomic<std::uint32_t> word{0};
  const Nanos deadline = now() + 5 * kMillisecond;
  while (futex_wait(word, 0, deadline)) {
  }
  EXPECT_GE(now(), deadline);
}

TEST(Futex, PastDeadlineEndsTheWaitAtOnce) {
  const Atomic<std::uint32_t> word{0};
  const Nanos before = now();
  EXPECT_FALSE(futex_wait(word, 0, 0));
  EXPECT_FALSE(futex_wait(word, 0, before - kMillisecond));
  EXPECT_LT(now() - before, 5'000 * kMillisecond);
}

class Sleeper {
 public:
  Sleeper(const Atomic<std::uint32_t>& word, std::uint32_t expected, Nanos deadline = kNever)
      : thread_([this, &word, expected, deadline] {
          id_ = support::thread_id();
          in_time_ = futex_wait(word, expected, deadline);
          awake_ = true;
        }) {}
  ~Sleeper() { thread_.join(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  bool falls_asleep() {
    return support::eventually([&] { return id_ != 0 && support::thread_sleeps(id_); });
  }
  bool wakes() {
    return support::eventually([&] { return awake_.load(); });
  }
  bool awake() const { return awake_; }
  bool in_time() const { return in_time_; }

 private:
  Atomic<int> id_{0};
  Atomic<bool> awake_{false};
  Atomic<bool> in_time_{false};
  std::thread thread_;
};

TEST(Futex, WakeEndsTheWaitWithoutDeadline) {
  const Atomic<std::uint32_t> word{0};
  Sleeper sleeper(word, 0);
  ASSERT_TRUE(sleeper.falls_asleep());
  futex_wake(word, 1);
  EXPECT_TRUE(sleeper.wakes());
  EXPECT_TRUE(sleeper.in_time());
}

TEST(Futex, WakeBeforeTheDeadlineIsToldFromIt) {
  const Atomic<std::uint32_t> word{0};
  Sleeper sleeper(word, 0, now() + 600'000 * kMillisecond);
  ASSERT_TRUE(sleeper.falls_asleep());
  futex_wake(word, 1);
  EXPECT_TRUE(sleeper.wakes());
  EXPECT_TRUE(sleeper.in_time());
}

TEST(Futex, WakesNoMoreThanAsked) {
  const Atomic<std::uint32_t> word{0};
  Sleeper first(word, 0);
  Sleeper second(word, 0);
  Sleeper third(word, 0);
  ASSERT_TRUE(first.falls_asleep() && second.falls_asleep() && third.falls_asleep());
  const auto awake = [&] {
    return static_cast<int>(first.awake()) + static_cast<int>(second.awake()) +
           static_cast<int>(third.awake());
  };
  futex_wake(word, 1);
  EXPECT_TRUE(support::eventually([&] { return awake() >= 1; }));
  for (Sleeper* sleeper : {&first, &second, &third}) {
    EXPECT_TRUE(sleeper->awake() || sleeper->falls_asleep());
  }
  EXPECT_EQ(awake(), 1);
  futex_wake(word, INT_MAX);
  EXPECT_TRUE(support::eventually([&] { return awake() == 3; }));
}

TEST(Futex, WakingAnotherWordWakesNobody) {
  struct {
    Atomic<std::uint32_t> one{0};
    Atomic<std::uint32_t> other{0};
  } words;
  Sleeper sleeper(words.one, 0);
  ASSERT_TRUE(sleeper.falls_asleep());
  futex_wake(words.other, INT_MAX);
  EXPECT_FALSE(sleeper.awake());
  futex_wake(words.one, 1);
  EXPECT_TRUE(sleeper.wakes());
}

}  // namespace
}  // namespace weft::detail
