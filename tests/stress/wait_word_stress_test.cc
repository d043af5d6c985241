// Goal: of a wake-up, a timeout and a cancellation that race, exactly one ends the wait and says
// so; no request to cancel is lost or delivered twice; and nobody sleeps for ever. Method: first
// the bare word, between threads; then whole waits, of many fibers with timers, on several workers.
// What each party says it did is compared with what the waiters saw.

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "fiber/wait_word.h"
#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

// ---- The bare word.

// One owner that waits over and over, and three parties, of which one, two or all race to end each
// wait, from just before it is published. All meet afterwards.
class WordRace {
 public:
  explicit WordRace(Epoch rounds) : rounds_(rounds) {}

  void run() {
    support::Watchdog watchdog("a wait that nobody ends", std::chrono::seconds(30), [this] {
      return "at epoch " + std::to_string(word_.current_epoch());
    });
    std::thread waker(
        [this] { race(kWaker, [this](Epoch at) { return word_.wake(at, Wake::kNormal); }); });
    std::thread timer(
        [this] { race(kTimer, [this](Epoch at) { return word_.wake(at, Wake::kTimeout); }); });
    std::thread canceller([this] { race(kCanceller, [this](Epoch at) { return cancels(at); }); });
    for (Epoch round = 0; round < rounds_ && !testing::Test::HasFatalFailure(); ++round) {
      wait_once(round);
      if (round % 64 == 0) watchdog.progress();
    }
    waker.join();
    timer.join();
    canceller.join();
    for (const int times : ended_by_) EXPECT_GT(times, 0);
  }

 private:
  static constexpr std::uint64_t kRacers = 3;
  enum Party : unsigned { kWaker = 1, kTimer = 2, kCanceller = 4 };

  static bool masked(Epoch round) { return round % 4 == 0; }
  // A masked wait is not ended by the canceller alone.
  static bool takes_part(Party party, Epoch round) {
    const unsigned parties = 1 + support::Random(round).below(7);
    return (parties & party) != 0 || (party == kWaker && masked(round) && parties == kCanceller);
  }

  void wait_once(Epoch round) {
    EXPECT_EQ(word_.epoch(), round);
    winners_ = 0;
    context_ = round;
    started_.store(round + 1);
    const auto cancellable = masked(round) ? Cancellable::kNo : Cancellable::kYes;
    const bool slept = word_.publish(cancellable);
    if (slept) {
      // Whoever ends the wait makes the owner runnable; nobody else does.
      while (resumed_.load() != round + 1) std::this_thread::yield();
    }
    EXPECT_EQ(word_.epoch(), round + 1) << "ended once";
    const Wake reason = word_.reason();
    while (arrived_.load() != kRacers * (round + 1)) std::this_thread::yield();
    EXPECT_EQ(winners_, slept ? 1 : 0);
    EXPECT_TRUE(slept || reason == Wake::kCancelled);
    EXPECT_TRUE(cancellable == Cancellable::kYes || reason != Wake::kCancelled);
    ++ended_by_[static_cast<std::size_t>(reason)];
    if (round % 3 == 0) word_.take_pending();
    for (unsigned left = word_.requests(); left > 0; --left) word_.uncancel();
  }

  template <class End>
  void race(Party party, End end) {
    support::Random random(~std::uint64_t{party});
    for (Epoch round = 0; round < rounds_; ++round) {
      while (started_.load() <= round) std::this_thread::yield();
      for (int pause = random.below(100); pause > 0; --pause) cpu_relax();
      // Refused while the owner is still on its way to sleep, and for good once another was
      // quicker.
      while (takes_part(party, round) && word_.current_epoch() == round) {
        if (!end(round)) continue;
        EXPECT_EQ(context_, round) << "what the owner saved before it published";
        winners_.fetch_add(1);
        resumed_.store(round + 1);
      }
      arrived_.fetch_add(1);
    }
  }

  // One request, at any state; the others end the wait if that did not.
  bool cancels(Epoch at) {
    const bool woken = word_.cancel(at) == WaitWord::Cancel::kWoken;
    while (!woken && word_.current_epoch() == at) std::this_thread::yield();
    return woken;
  }

  const Epoch rounds_;
  WaitWord word_;
  std::uint64_t context_ = 0;  // plain: the owner's before the wait, the winner's after
  Atomic<int> winners_{0};     // of this wait
  Atomic<std::uint64_t> started_{0};
  Atomic<std::uint64_t> resumed_{0};
  Atomic<std::uint64_t> arrived_{0};
  int ended_by_[3] = {};  // by the owner: normal, timeout, cancelled
};

TEST(WaitWordStress, ExactlyOneEndsEachWait) {
  WordRace race(static_cast<Epoch>(support::scaled(100'000)));
  race.run();
}

// ---- Whole waits.

// Where a fiber leaves its token for those who race. Written in two halves: who reads a fiber and
// an epoch that do not belong together holds a token that is stale or yet to come, as may happen.
struct Slot {
  Atomic<Fiber*> fiber{nullptr};
  Atomic<Epoch> epoch{0};
  Atomic<std::uint64_t> woken{0};  // by those who won
};

struct Sums {
  Atomic<std::uint64_t> normal{0};
  Atomic<std::uint64_t> timeout{0};
  Atomic<std::uint64_t> cancelled{0};
  bool has_every_kind() const { return normal > 0 && timeout > 0 && cancelled > 0; }
};

class WaitRace {
 public:
  WaitRace(unsigned workers, bool spin) : scheduler_({.workers = workers, .spin = spin}) {}

  void run(std::size_t fibers, int rounds) {
    support::Watchdog watchdog("a fiber that sleeps for ever", std::chrono::seconds(30),
                               [this] { return std::to_string(left_.load()) + " fibers left"; });
    slots_ = std::vector<Slot>(fibers);
    left_ = static_cast<int>(fibers);
    for (std::size_t i = 0; i < fibers; ++i) {
      scheduler_.start([this, i, rounds] {
        wait_often(slots_[i], i, rounds);
        left_.fetch_sub(1);
      });
    }
    std::thread waker([this] { wake_all_the_time(); });
    std::thread canceller([this] { cancel_all_the_time(); });
    waker.join();
    canceller.join();
    scheduler_.scheduler.cancel_all_and_wait();

    std::uint64_t woken = 0;
    for (const Slot& slot : slots_) woken += slot.woken;
    EXPECT_EQ(sums_.normal, woken) << "every wake-up that succeeded was seen, and no other";
    EXPECT_GE(sums_.normal + sums_.timeout + sums_.cancelled,
              fibers * static_cast<unsigned>(rounds));
    EXPECT_LE(sums_.cancelled, requests_) << "none is delivered twice";
  }

 private:
  // So many rounds, or more until each way to end a wait has been seen: on few processors the
  // threads that race may come late.
  void wait_often(Slot& slot, std::uint64_t stream, int rounds) {
    support::Random random(stream);
    Fiber& self = *current_fiber();
    for (int round = 0; round < rounds || !sums_.has_every_kind(); ++round) {
      slot.epoch = current_token().epoch;
      slot.fiber = &self;
      const auto cancellable = random.one_in(4) ? Cancellable::kNo : Cancellable::kYes;
      // Some have no deadline, and rely on being woken.
      const Nanos deadline = random.one_in(3) ? kNever : now() + random.below(60'000);
      switch (suspend_until(deadline, nullptr, nullptr, cancellable)) {
        case Wake::kNormal:
          sums_.normal.fetch_add(1);
          break;
        case Wake::kTimeout:
          EXPECT_GE(now(), deadline);
          sums_.timeout.fetch_add(1);
          break;
        default:
          EXPECT_EQ(cancellable, Cancellable::kYes);
          sums_.cancelled.fetch_add(1);
      }
      if (random.one_in(2)) take_cancellation();
      for (unsigned left = self.word.requests(); left > 0; --left) self.word.uncancel();
    }
    slot.fiber = nullptr;
  }

  void wake_all_the_time() {
    support::Random random(1000);
    while (left_ > 0) {
      Slot& slot = slots_[static_cast<std::size_t>(random.below(static_cast<int>(slots_.size())))];
      Fiber* const fiber = slot.fiber;
      if (fiber != nullptr && wake({fiber, slot.epoch})) slot.woken.fetch_add(1);
    }
  }

  void cancel_all_the_time() {
    support::Random random(1001);
    while (left_ > 0) {
      Slot& slot = slots_[static_cast<std::size_t>(random.below(static_cast<int>(slots_.size())))];
      Fiber* const fiber = slot.fiber;
      if (fiber == nullptr) continue;
      // Counted first, so that the sum is never below what is delivered.
      requests_.fetch_add(1);
      if (!cancel(*fiber, slot.epoch)) requests_.fetch_sub(1);
      std::this_thread::yield();
    }
  }

  BareScheduler scheduler_;
  std::vector<Slot> slots_;
  Sums sums_;
  Atomic<std::uint64_t> requests_{0};
  Atomic<int> left_{0};
};

TEST(WaitWordStress, WakeTimeoutAndCancelOfManyFibers) {
  for (const bool spin : {true, false}) {
    WaitRace race(2, spin);
    race.run(32, support::scaled(2000));
  }
}

TEST(WaitWordStress, WakeTimeoutAndCancelOfOneFiber) {
  WaitRace race(2, true);
  race.run(1, support::scaled(30'000));
}

}  // namespace
}  // namespace weft::detail
