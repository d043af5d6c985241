// Goal: Ctrl-C ends a program as asyncio.run does: the first SIGINT cancels main, which may clean
// up; the second ends the process as if nobody had caught it; and a program that handles the signal
// itself is left alone. Method: death tests. Each runs in a process of its own, which sends the
// signals to itself when its main says so, and tells on standard error how far it came.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>
#include <weft/weft.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::sleep_forever;
using support::sleep_until_cancelled;
using support::throws_cancelled;
using testing::ExitedWithCode;
using testing::KilledBySignal;

class SigintDeathTest : public testing::Test {
 protected:
  // The child is executed anew: it has no threads, and no state, of this process.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
using Sigint = SigintDeathTest;

void use(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  ::sigaction(SIGINT, &action, nullptr);
}
bool is_installed(void (*handler)(int)) {
  struct sigaction action {};
  ::sigaction(SIGINT, nullptr, &action);
  return action.sa_handler == handler;
}

void interrupt() { ::kill(::getpid(), SIGINT); }

void say(const char* text) { std::fprintf(stderr, "%s\n", text); }

/// A process whose tests ran in the background may have inherited SIG_IGN.
[[noreturn]] void exit_with(int code) {
  std::fflush(stderr);
  ::_exit(code);
}

std::atomic<int> g_handled{0};
void programs_own(int) { ++g_handled; }

// Moved to the caller when main has ended.
struct Interrupts {
  Interrupts() = default;
  Interrupts(Interrupts&& /*other*/) noexcept { interrupt(); }
};

TEST_F(Sigint, ThatComesWhenMainHasEndedEndsTheProcess) {
  EXPECT_EXIT(
      {
        ::signal(SIGINT, SIG_DFL);
        weft::run([] { return Interrupts(); });
        exit_with(1);
      },
      KilledBySignal(SIGINT), "");
}

TEST_F(Sigint, FirstCancelsMain) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        const bool cancelled = throws_cancelled([] {
          weft::run([] {
            interrupt();
            try {
              sleep_forever();
            } catch (const weft::Cancelled&) {
              weft::sleep_for(2ms);
              say("cleaned up");
              throw;
            }
          });
        });
        exit_with(cancelled ? 3 : 4);
      },
      ExitedWithCode(3), "cleaned up");
}

TEST_F(Sigint, FirstMayBeSurvived) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        const int result = weft::run([] {
          interrupt();
          sleep_until_cancelled();
          weft::yield();
          return 5;
        });
        exit_with(result);
      },
      ExitedWithCode(5), "");
}

TEST_F(Sigint, FirstEndsLeftoversInTheirOrder) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        const bool cancelled = throws_cancelled([] {
          weft::run([] {
            weft::Event begun;
            weft::spawn([&] {
              begun.set();
              sleep_until_cancelled();
              say("leftover ended");
            });
            begun.wait();
            interrupt();
            weft::gather(sleep_forever, sleep_forever);
          });
        });
        exit_with(cancelled ? 3 : 4);
      },
      ExitedWithCode(3), "leftover ended");
}

TEST_F(Sigint, SecondEndsTheProcess) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        weft::run([] {
          interrupt();
          sleep_until_cancelled();
          say("cancelled once");
          interrupt();
          sleep_forever();
        });
        exit_with(4);
      },
      KilledBySignal(SIGINT), "cancelled once");
}

TEST_F(Sigint, SecondEndsAProcessThatDoesNotListen) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        weft::run([] {
          interrupt();
          sleep_until_cancelled();
          interrupt();
          for (volatile bool computing = true; computing;) {
          }
        });
        exit_with(4);
      },
      KilledBySignal(SIGINT), "");
}

TEST_F(Sigint, EachRunCountsAnew) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        for (int i = 0; i < 3; ++i) {
          weft::run([] {
            interrupt();
            sleep_until_cancelled();
          });
        }
        exit_with(6);
      },
      ExitedWithCode(6), "");
}

TEST_F(Sigint, IsCaughtFromTheFirstStepOfMain) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        weft::Runtime runtime;
        for (int i = 0; i < 300; ++i) {
          runtime.run([] {
            interrupt();
            sleep_until_cancelled();
          });
        }
        exit_with(12);
      },
      ExitedWithCode(12), "");
}

TEST_F(Sigint, CancelsEveryMainThatRuns) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        weft::Runtime runtime;
        weft::Event begun;
        std::thread other([&] {
          runtime.run([&] {
            begun.set();
            sleep_until_cancelled();
          });
          say("the other thread's too");
        });
        runtime.run([&] {
          begun.wait();
          interrupt();
          sleep_until_cancelled();
        });
        other.join();
        exit_with(7);
      },
      ExitedWithCode(7), "the other thread's too");
}

TEST_F(Sigint, MeansNothingToTasksThatArePosted) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        weft::Runtime runtime;
        weft::Event go;
        weft::Task<int> posted = runtime.post([&] {
          go.wait();
          return 8;
        });
        runtime.run([] {
          interrupt();
          sleep_until_cancelled();
        });
        go.set();
        exit_with(posted.get());
      },
      ExitedWithCode(8), "");
}

TEST_F(Sigint, LeavesTheProgramsOwnHandlerAlone) {
  EXPECT_EXIT(
      {
        use(programs_own);
        const int result = weft::run([] {
          interrupt();
          interrupt();
          while (g_handled < 1) weft::sleep_for(1ms);  // two at once may be delivered as one
          EXPECT_FALSE(weft::this_task::cancel_requested());
          return is_installed(programs_own) ? 9 : 4;
        });
        exit_with(is_installed(programs_own) ? result : 5);
      },
      ExitedWithCode(9), "");
}

TEST_F(Sigint, LeavesAnIgnoredSignalIgnored) {
  EXPECT_EXIT(
      {
        use(SIG_IGN);
        const int result = weft::run([] {
          interrupt();
          interrupt();
          weft::sleep_for(1ms);
          return 10;
        });
        exit_with(is_installed(SIG_IGN) ? result : 5);
      },
      ExitedWithCode(10), "");
}

TEST_F(Sigint, LeavesAHandlerInPlaceThatMainInstalled) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        const int result = weft::run([] {
          use(programs_own);
          interrupt();
          while (g_handled < 1) weft::sleep_for(1ms);
          return weft::this_task::cancel_requested() ? 4 : 11;
        });
        exit_with(is_installed(programs_own) ? result : 5);
      },
      ExitedWithCode(11), "");
}

TEST_F(Sigint, IsAtItsDefaultAgainAfterRun) {
  EXPECT_EXIT(
      {
        use(SIG_DFL);
        weft::run([] {});
        if (!is_installed(SIG_DFL)) exit_with(4);
        interrupt();
        exit_with(5);
      },
      KilledBySignal(SIGINT), "");
}

}  // namespace
