// Goal: scopes of time in every nesting, expiring while their bodies wait, wake, end, are cancelled
// or compute, always blame the right party and leave nothing behind. Method: tasks run random nests
// of scopes around random waits, and keep at every level the books that say what may leave it.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/build_kind.h"
#include "support/rounds.h"
#include "support/seed.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::Clock;
using support::Random;
using support::throws_cancelled;

constexpr auto kTime = 2s;

std::chrono::microseconds some_microseconds(Random& random, int most) {
  return std::chrono::microseconds(random.below(most));
}

/// What a task knows of those who may cancel it.
struct Standing {
  std::vector<Clock::time_point> limits;  // of the scopes it is in, outermost first
  std::atomic<bool> may_be_cancelled{false};

  bool some_limit_is_over() const {
    return !limits.empty() && *std::min_element(limits.begin(), limits.end()) <= Clock::now();
  }
};

void wait_somehow(Random& random) {
  switch (random.below(7)) {
    case 0:
      weft::sleep_for(some_microseconds(random, 400));
      break;
    case 1:
      for (int i = random.below(10); i > 0; --i) weft::yield();
      break;
    case 2: {
      weft::Event event;
      weft::Task<void> setter = weft::spawn([&, span = some_microseconds(random, 300)] {
        weft::sleep_for(span);
        event.set();
      });
      const bool cancelled = throws_cancelled([&] { event.wait(); });
      // The event is needed until its setter has done with it.
      while (!setter.done()) throws_cancelled([&] { setter.join(); });
      if (cancelled) throw weft::Cancelled();
      break;
    }
    case 3:
      weft::spawn([span = some_microseconds(random, 300)] { weft::sleep_for(span); }).get();
      break;
    case 4: {
      const auto child = [span = some_microseconds(random, 300)] { weft::sleep_for(span); };
      weft::gather(child, child);
      break;
    }
    case 5:
      if (random.one_in(4)) weft::to_thread([] {});
      break;
    default: {  // computes, and does not notice
      const Clock::time_point end = Clock::now() + some_microseconds(random, 60);
      while (Clock::now() < end) {
      }
    }
  }
}

/// Runs scopes within scopes. Cancelled and TimeoutError leave it only for a reason.
void nest(Random& random, Standing& standing, int depth) {
  const auto span = some_microseconds(random, 500) - 20us;
  const Clock::time_point limit = Clock::now() + span;
  standing.limits.push_back(limit);
  bool from_inside = false;
  bool returned = false;
  try {
    weft::timeout(span, [&](weft::TimeoutScope& scope) {
      for (int i = 1 + random.below(3); i > 0; --i) {
        try {
          if (depth > 0 && random.one_in(2)) {
            nest(random, standing, depth - 1);
          } else {
            wait_somehow(random);
          }
        } catch (const weft::Cancelled&) {
          EXPECT_TRUE(standing.may_be_cancelled || standing.some_limit_is_over());
          if (!random.one_in(5)) throw;
        } catch (const weft::TimeoutError&) {
          from_inside = true;
          if (!random.one_in(2)) throw;
          from_inside = false;
        }
      }
      if (scope.expired()) {
        EXPECT_GE(Clock::now(), limit);
      }
      returned = true;
    });
    EXPECT_TRUE(returned);
  } catch (const weft::TimeoutError&) {
    EXPECT_FALSE(returned);
    if (!from_inside) {
      EXPECT_GE(Clock::now(), limit) << "too early";
    }
    standing.limits.pop_back();
    if (depth == 0 || random.one_in(2)) return;
    throw;
  } catch (const weft::Cancelled&) {
    standing.limits.pop_back();
    EXPECT_TRUE(standing.may_be_cancelled || standing.some_limit_is_over())
        << "the scope that expired did not translate";
    throw;
  }
  standing.limits.pop_back();
}

void nest_at_top(Random& random, Standing& standing) {
  try {
    nest(random, standing, 3);
  } catch (const weft::TimeoutError&) {
  }
  EXPECT_TRUE(standing.limits.empty());
}

TEST(TimeoutStress, ScopesBlameTheRightPartyAndLeaveNothing) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    const weft::Options options{.workers = 1u + static_cast<unsigned>(random.below(4)),
                                .blocking_threads = 2};
    weft::run(options, [&] {
      std::vector<weft::Task<void>> tasks;
      for (std::uint64_t i = 1; i <= 50; ++i) {
        tasks.push_back(weft::spawn([stream, i] {
          Random own(stream + i);
          Standing standing;
          for (int round = 0; round < 5; ++round) {
            EXPECT_FALSE(throws_cancelled([&] { nest_at_top(own, standing); }));
            EXPECT_EQ(weft::this_task::cancelling(), 0u);
            EXPECT_FALSE(throws_cancelled([] { weft::yield(); })) << "left behind";
          }
        }));
      }
      weft::gather(tasks);
    });
  });
}

TEST(TimeoutStress, CancelsFromOutsideAreNotMistaken) {
  support::for_rounds(kTime, [](std::uint64_t stream) {
    Random random(stream);
    const weft::Options options{.workers = 1u + static_cast<unsigned>(random.below(4)),
                                .blocking_threads = 2};
    weft::run(options, [&] {
      struct Victim {
        Standing standing;
        weft::Task<bool> task;
      };
      std::vector<std::unique_ptr<Victim>> victims;
      for (std::uint64_t i = 1; i <= 30; ++i) {
        victims.push_back(std::make_unique<Victim>());
        Victim& victim = *victims.back();
        victim.task = weft::spawn([&victim, stream, i] {
          Random own(stream + i);
          return throws_cancelled([&] {
            for (int round = 0; round < 20; ++round) {
              nest_at_top(own, victim.standing);
              weft::yield();
            }
          });
        });
      }
      for (int i = 0; i < 20; ++i) {
        if (random.one_in(2)) weft::sleep_for(some_microseconds(random, 300));
        Victim& victim = *victims[static_cast<std::size_t>(random.below(30))];
        if (victim.task.cancelling() > 0) continue;
        victim.standing.may_be_cancelled = true;
        victim.task.cancel();
      }
      for (auto& victim : victims) {
        victim->task.join();
        const unsigned requests = victim->task.cancelling();
        EXPECT_LE(requests, 1u) << "a scope left its own request behind";
        if (victim->task.cancelled()) continue;  // before it began, or as it ended
        if (victim->task.get()) {
          EXPECT_EQ(requests, 1u) << "cancelled by nobody";
        }
      }
    });
  });
}

// Whoever asks at the very end of a scope whose time is up is told as well.
TEST(TimeoutStress, ARequestBesideTheEndOfAnExpiredScopeIsTold) {
  weft::run(weft::Options{.workers = 2}, [] {
    std::atomic<bool> begun{false}, enough{false};
    long untold = 0, asked_at_all = 0;
    const weft::Task<void> task = weft::spawn([&] {
      for (begun = true; !enough;) {
        bool told = false;
        try {
          weft::timeout(0s, [] { weft::yield(); });
        } catch (const weft::TimeoutError&) {
        } catch (const weft::Cancelled&) {
          told = true;
        }
        if (weft::this_task::cancelling() == 0) continue;
        ++asked_at_all;
        if (!told && !weft::this_task::cancel_requested()) ++untold;
        while (weft::this_task::uncancel() > 0) continue;
      }
    });
    std::thread other([&] {
      while (!begun) std::this_thread::yield();
      const auto end = Clock::now() + std::chrono::milliseconds(kTime) / 4;
      while (Clock::now() < end) task.cancel();
      enough = true;
    });
    task.join();
    other.join();
    EXPECT_EQ(untold, 0);
    EXPECT_GT(asked_at_all, 0);
  });
}

}  // namespace
