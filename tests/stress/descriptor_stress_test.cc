// Goal: descriptors are reused all the time, by fibers of one scheduler after another and by plain
// threads, and whoever still holds a token of an earlier use does no harm with it. Method: every
// token is kept when its wait is over, and one that names the wait that never came when a fiber
// ends; threads wake and cancel with old ones without a break, while short-lived fibers and threads
// check that only their own waker ends their waits.

#include <gtest/gtest.h>

#include <latch>
#include <mutex>
#include <thread>
#include <vector>

#include "support/bare_fiber.h"
#include "support/build_kind.h"
#include "support/seed.h"
#include "support/watchdog.h"
#include "time/clock.h"

namespace weft::detail {
namespace {

using support::BareScheduler;

// Tokens of waits that are over, the latest few thousand.
class Graveyard {
 public:
  struct Grave {
    WakeToken token;
    bool wait_is_over;  // else its fiber has ended, or is about to, without waiting again
  };

  void add(WakeToken token, bool wait_is_over) {
    const std::lock_guard lock(mutex_);
    tokens_[next_++ % kSize] = {token, wait_is_over};
  }
  std::vector<Grave> some(support::Random& random) {
    std::vector<Grave> copies;
    const std::lock_guard lock(mutex_);
    const std::size_t known = std::min<std::size_t>(next_, kSize);
    for (int i = 0; known > 0 && i < 64; ++i) {
      // Mostly the latest: their descriptors are the next to be used again.
      const std::size_t back = random.below(random.one_in(2) ? 40 : static_cast<int>(kSize));
      if (back < known) copies.push_back(tokens_[(next_ - 1 - back) % kSize]);
    }
    return copies;
  }

 private:
  static constexpr std::size_t kSize = 4096;
  std::mutex mutex_;
  std::vector<Grave> tokens_ = std::vector<Grave>(kSize);
  std::size_t next_ = 0;
};

// Wakes and cancels with tokens of the past until it dies.
class Attacker {
 public:
  Attacker(Graveyard& graveyard, std::uint64_t stream)
      : thread_([this, &graveyard, stream] {
          support::Random random(stream);
          while (!stop_) {
            for (const auto& [token, wait_is_over] : graveyard.some(random)) {
              EXPECT_FALSE(wake(token, Wake::kTimeout));
              const auto done = token.fiber->word.cancel(token.epoch);
              EXPECT_TRUE(done == WaitWord::Cancel::kStale ||
                          (!wait_is_over && done == WaitWord::Cancel::kPending));
              ++attempts_;
            }
          }
        }) {}
  ~Attacker() {
    stop_ = true;
    thread_.join();
    EXPECT_GT(attempts_, 0);
  }
  Attacker(const Attacker&) = delete;
  Attacker& operator=(const Attacker&) = delete;

 private:
  Atomic<bool> stop_{false};
  long attempts_ = 0;
  std::thread thread_;
};

class DescriptorStress : public testing::Test {
 protected:
  static constexpr Nanos kTime = 700'000'000;

  // Whoever waits here was never asked to stop, and is woken by `wake_it` alone, with this reason.
  template <class WakeIt>
  void wait_once(WakeIt wake_it) {
    const WakeToken token = current_token();
    EXPECT_EQ(token.fiber->word.requests(), 0u);
    EXPECT_FALSE(token.fiber->word.cancel_pending());
    wake_it(token);
    EXPECT_EQ(suspend(nullptr, nullptr), Wake::kClosed);
    graveyard_.add(token, true);
  }

  // A few waits, each ended by a fiber that is made for it.
  void live_and_die(BareScheduler& scheduler, int waits) {
    for (int i = 0; i < waits; ++i) {
      wait_once([&](WakeToken token) {
        scheduler.start([token] {
          while (!wake(token, Wake::kClosed)) yield_now();
        });
      });
    }
  }

  template <class Round>
  void attacked(Round round) {
    support::Watchdog watchdog("descriptors", std::chrono::seconds(20));
    Attacker first(graveyard_, 1);
    Attacker second(graveyard_, 2);
    support::Random random(3);
    for (const Nanos end = now() + kTime; now() < end; watchdog.progress()) round(random);
  }

  Graveyard graveyard_;
};

TEST_F(DescriptorStress, LateTokensDoNotReachTheNextFiber) {
  BareScheduler scheduler(2);
  attacked([&](support::Random& random) {
    constexpr int kFibers = 50;
    std::latch ended(kFibers);
    for (int i = 0; i < kFibers; ++i) {
      const int waits = random.below(3);
      scheduler.start([&, waits] {
        live_and_die(scheduler, waits);
        graveyard_.add(current_token(), false);
        ended.count_down();
      });
    }
    ended.wait();
  });
}

TEST_F(DescriptorStress, LateTokensDoNotReachTheNextScheduler) {
  attacked([&](support::Random& random) {
    BareScheduler scheduler(1 + static_cast<unsigned>(random.below(2)));
    constexpr int kFibers = 20;
    std::latch ended(kFibers);
    for (int i = 0; i < kFibers; ++i) {
      scheduler.start([&] {
        live_and_die(scheduler, 1);
        graveyard_.add(current_token(), false);
        ended.count_down();
      });
    }
    ended.wait();
  });
}

TEST_F(DescriptorStress, LateTokensDoNotReachThreadsThatInheritADescriptor) {
  BareScheduler scheduler(1);
  attacked([&](support::Random&) {
    std::thread thread([&] { live_and_die(scheduler, 3); });
    std::latch ended(1);
    scheduler.start([&] {
      live_and_die(scheduler, 2);
      graveyard_.add(current_token(), false);
      ended.count_down();
    });
    thread.join();
    ended.wait();
  });
}

// A fiber that has ended keeps its epoch until its descriptor is used again. A request to cancel
// that comes in between must not meet the next user.
TEST_F(DescriptorStress, RequestForAFiberThatHasEndedIsNotDeliveredToTheNext) {
  BareScheduler scheduler(2);
  std::mutex mutex;
  std::vector<WakeToken> ended_fibers;
  Atomic<bool> stop{false};
  std::thread canceller([&] {
    while (!stop) {
      std::vector<WakeToken> tokens;
      {
        const std::lock_guard lock(mutex);
        tokens.swap(ended_fibers);
      }
      for (const WakeToken& token : tokens) cancel(*token.fiber, token.epoch);
    }
  });
  support::Watchdog watchdog("fibers that end", std::chrono::seconds(20));
  for (const Nanos end = now() + kTime; now() < end; watchdog.progress()) {
    constexpr int kFibers = 100;
    std::latch ended(kFibers);
    for (int i = 0; i < kFibers; ++i) {
      scheduler.start([&] {
        const WakeToken token = current_token();
        EXPECT_EQ(token.fiber->word.requests(), 0u);
        EXPECT_FALSE(take_cancellation());
        // The descriptor is free once this fiber has ended; here it is still in use, but no more
        // looked at.
        const std::lock_guard lock(mutex);
        ended_fibers.push_back(token);
        ended.count_down();
      });
    }
    ended.wait();
  }
  stop = true;
  canceller.join();
}

}  // namespace
}  // namespace weft::detail
