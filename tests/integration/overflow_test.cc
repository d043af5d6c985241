// Goal: a stack that overflows ends the process with a report that names the fiber, where it was
// spawned and how to give it more; every other fault reaches the program's own handler as if no
// runtime were there. Method: death tests that really recurse into the guard, or really touch what
// they must not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include <string>

#include "support/build_kind.h"
#include "support/task_steps.h"

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class OverflowDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

// The default action, which sanitizers replace by a report and an exit code.
bool died_of_fault(int status) {
  if (support::kSanitized && WIFEXITED(status)) return WEXITSTATUS(status) != 0;
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

volatile bool g_deeper = true;

// Frames of half a page step into every guard, and are not too many for ThreadSanitizer's shadow.
[[gnu::noinline]] int dig(int depth) {
  char frame[2048];
  frame[0] = static_cast<char>(depth);
  asm volatile("" : : "r"(frame) : "memory");
  return (g_deeper ? dig(depth + 1) : 0) + frame[0];
}

void touch_nothing() {
  void* const page = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *static_cast<volatile char*>(page) = 1;
}

void on_fault(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_ONSTACK;
  ::sigaction(SIGSEGV, &action, nullptr);
}

void programs_own(int) {
  constexpr char kText[] = "the program's own handler\n";
  const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
  ::_exit(written > 0 ? 21 : 22);
}

const testing::ExitedWithCode kByProgramsOwn(21);

// ---- Overflows.

TEST_F(OverflowDeathTest, IsReportedWithNameSiteAndSize) {
  EXPECT_EXIT(weft::run([] { weft::spawn({.name = "digger"}, [] { dig(0); }).get(); }),
              died_of_fault,
              AllOf(ContainsRegex("stack overflow in fiber [0-9]+ \"digger\""),
                    ContainsRegex("overflow_test\\.cc:[0-9]+"), HasSubstr("stack of 258048 bytes"),
                    HasSubstr("stack_size = 524288")));
}

TEST_F(OverflowDeathTest, OfMainIsReported) {
  EXPECT_EXIT(weft::run([] { dig(0); }), died_of_fault,
              AllOf(ContainsRegex("stack overflow in fiber [0-9]+ \"main\""),
                    ContainsRegex("overflow_test\\.cc:[0-9]+")));
}

TEST_F(OverflowDeathTest, OfANamelessTaskIsReportedByItsId) {
  EXPECT_EXIT(weft::run([] {
                weft::spawn([] {
                  std::fprintf(stderr, "task %llu,",
                               static_cast<unsigned long long>(weft::this_task::id()));
                  dig(0);
                }).get();
              }),
              died_of_fault, ContainsRegex("task ([0-9]+),.*stack overflow in fiber [0-9]+"));
}

TEST_F(OverflowDeathTest, NamesTheSizeThatWasAskedFor) {
  EXPECT_EXIT(weft::run([] { weft::spawn({.stack_size = 1 << 20}, [] { dig(0); }).get(); }),
              died_of_fault,
              AllOf(HasSubstr("stack of 1044480 bytes"), HasSubstr("stack_size = 2097152")));
  EXPECT_EXIT(weft::run(weft::Options{.stack_size = 128 << 10}, [] { dig(0); }), died_of_fault,
              HasSubstr("stack of 126976 bytes"));
}

TEST_F(OverflowDeathTest, IsReportedAfterTheFiberHasTravelledAndOthersHaveRun) {
  EXPECT_EXIT(weft::run([] {
                for (int i = 0; i < 50; ++i) weft::spawn([] { weft::yield(); });
                weft::spawn({.name = "traveller"}, [] {
                  for (int i = 0; i < 20; ++i) {
                    weft::to_thread([] {});
                    weft::yield();
                  }
                  dig(0);
                }).get();
              }),
              died_of_fault, ContainsRegex("stack overflow in fiber [0-9]+ \"traveller\""));
}

TEST_F(OverflowDeathTest, OfAChildOfGatherIsReported) {
  EXPECT_EXIT(weft::run([] { weft::gather([] { dig(0); }, [] {}); }), died_of_fault,
              HasSubstr("stack overflow in fiber"));
}

TEST_F(OverflowDeathTest, ReachesTheProgramsOwnHandlerAfterTheReport) {
  EXPECT_EXIT(
      {
        on_fault(programs_own);
        weft::run([] { dig(0); });
      },
      kByProgramsOwn,
      AllOf(HasSubstr("stack overflow in fiber"), HasSubstr("the program's own handler")));
}

// ---- Other faults.

TEST_F(OverflowDeathTest, OtherFaultsInAFiberReachTheProgramsOwnHandler) {
  EXPECT_EXIT(
      {
        on_fault(programs_own);
        weft::run([] { weft::spawn(touch_nothing).get(); });
      },
      kByProgramsOwn, AllOf(HasSubstr("the program's own handler"), Not(HasSubstr("weft:"))));
}

TEST_F(OverflowDeathTest, OtherFaultsInAThreadReachTheProgramsOwnHandler) {
  EXPECT_EXIT(
      {
        on_fault(programs_own);
        weft::run([] { weft::to_thread(touch_nothing); });
      },
      kByProgramsOwn, AllOf(HasSubstr("the program's own handler"), Not(HasSubstr("weft:"))));
}

TEST_F(OverflowDeathTest, OtherFaultsWithoutAHandlerEndTheProcessWithoutAWord) {
  EXPECT_EXIT(weft::run([] { weft::spawn(touch_nothing).get(); }), died_of_fault,
              Not(HasSubstr("weft: stack overflow")));
}

TEST_F(OverflowDeathTest, FaultsAfterRunReachTheProgramsOwnHandler) {
  EXPECT_EXIT(
      {
        on_fault(programs_own);
        weft::run([] {});
        touch_nothing();
      },
      kByProgramsOwn, AllOf(HasSubstr("the program's own handler"), Not(HasSubstr("weft:"))));
}

TEST_F(OverflowDeathTest, AHandlerInstalledWhileRunningIsTheProgramsOwnToo) {
  EXPECT_EXIT(weft::run([] {
                on_fault(programs_own);
                weft::spawn(touch_nothing).get();
              }),
              kByProgramsOwn, HasSubstr("the program's own handler"));
}

// ---- No overflow.

TEST(DeepRecursion, WithinTheStackThatWasAskedForIsFine) {
  struct Recursion {
    static int sum(int depth) {
      volatile char frame[512];
      frame[0] = static_cast<char>(depth & 1);
      return depth == 0 ? 0 : sum(depth - 1) + frame[0];
    }
  };
  weft::run([] {
    const int depth = support::kSanitized ? 2'000 : 12'000;
    EXPECT_EQ(weft::spawn({.stack_size = 16 << 20}, [=] { return Recursion::sum(depth); }).get(),
              depth / 2);
  });
}

}  // namespace
