// Goal: Signals where a signal could end the process, where masks of all its threads matter, and
// beside SIGINT's own meaning. Method: death tests, each in a process of its own.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <optional>
#include <thread>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace weft {
namespace {

using support::scaled;
using support::sleep_forever;
using support::throws_cancelled;
using testing::ExitedWithCode;
using testing::KilledBySignal;

void send(int number) { ::kill(::getpid(), number); }

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigaction(number, &action, nullptr);
}
bool is_at_default(int number) {
  struct sigaction action {};
  ::sigaction(number, nullptr, &action);
  return action.sa_handler == SIG_DFL;
}

void block(int number) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}
/// Takes one that is pending.
bool take_pending(int number) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  const timespec none{};
  return ::sigtimedwait(&set, nullptr, &none) == number;
}

/// Whether a signal that all threads of the program block stays pending from the end of its last
/// listener on, while listeners for another signal stay or not.
bool stays_pending_after_listeners(bool others_stay) {
  handle(SIGUSR1, SIG_DFL);
  block(SIGUSR1);
  std::optional<Signals> other;
  if (others_stay) other = Signals{SIGHUP};
  for (int i = 0; i < scaled(300); ++i) {
    { const Signals signals{SIGUSR1}; }
    send(SIGUSR1);
    if (!take_pending(SIGUSR1)) return false;
  }
  // At every moment of its end.
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    while (!stop) send(SIGUSR1);
  });
  for (int i = 0; i < scaled(40); ++i) {  // each slowed down by the sender
    Signals signals{SIGUSR1};
    signals.wait();
  }
  stop = true;
  sender.join();
  return true;
}

class SignalsDeathTest : public testing::Test {
 protected:
  // The child is executed anew: it has no threads, and no state, of this process.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SignalsDeathTest, GetThroughWhereEveryThreadBlocksThem) {
  EXPECT_EXIT(
      {
        sigset_t blocked;
        ::sigemptyset(&blocked);
        ::sigaddset(&blocked, SIGTERM);
        ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
        const int number = run([] {
          Signals signals{SIGTERM};
          send(SIGTERM);
          return signals.wait();
        });
        ::_exit(number == SIGTERM ? 3 : 4);
      },
      ExitedWithCode(3), "");
}

// Its default would end the process.
TEST_F(SignalsDeathTest, StayBlockedAfterTheLast) {
  EXPECT_EXIT(::_exit(stays_pending_after_listeners(false) ? 3 : 4), ExitedWithCode(3), "");
}

TEST_F(SignalsDeathTest, StayBlockedWhileOthersAreListenedFor) {
  EXPECT_EXIT(::_exit(stays_pending_after_listeners(true) ? 3 : 4), ExitedWithCode(3), "");
}

TEST_F(SignalsDeathTest, SigintDoesNotCancelMainWhileOneListens) {
  EXPECT_EXIT(
      {
        handle(SIGINT, SIG_DFL);
        const bool cancelled = throws_cancelled([] {
          run([] {
            for (int i = 0; i < 3; ++i) {
              Signals signals{SIGINT};
              send(SIGINT);
              signals.wait();
            }
            if (this_task::cancel_requested()) ::_exit(4);
            send(SIGINT);
            sleep_forever();
          });
        });
        ::_exit(cancelled ? 3 : 5);
      },
      ExitedWithCode(3), "");
}

TEST_F(SignalsDeathTest, SigintEndsTheProcessAfterRunAndListener) {
  EXPECT_EXIT(
      {
        handle(SIGINT, SIG_DFL);
        Signals outlives;
        run([&] { outlives = Signals{SIGINT}; });
        send(SIGINT);
        if (outlives.wait() != SIGINT) ::_exit(4);
        outlives.close();
        send(SIGINT);
        ::_exit(5);
      },
      KilledBySignal(SIGINT), "");
}

TEST_F(SignalsDeathTest, SigintCancelsTheMainOfALaterRun) {
  EXPECT_EXIT(
      {
        handle(SIGINT, SIG_DFL);
        Signals outlives;
        run([&] { outlives = Signals{SIGINT}; });
        outlives.close();
        for (int i = 0; i < 2; ++i) {
          const bool cancelled = throws_cancelled([] {
            run([] {
              send(SIGINT);
              sleep_forever();
            });
          });
          if (!cancelled) ::_exit(4);
        }
        ::_exit(is_at_default(SIGINT) ? 3 : 5);
      },
      ExitedWithCode(3), "");
}

TEST_F(SignalsDeathTest, DefaultIsBackAfterTheLast) {
  EXPECT_EXIT(
      {
        handle(SIGTERM, SIG_DFL);
        run([] {
          Signals signals{SIGTERM};
          send(SIGTERM);
          signals.wait();
          signals.close();
          send(SIGTERM);
          sleep_forever();
        });
      },
      KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace weft
