// Goal: a stack overflow is reported, once and readably, and every other fault is as if we were not
// there. Method: code runs on a pool stack and really recurses into the guard, in death tests.
// Faults that are survived jump back out of the program's own handler, which plays the part of
// whoever was installed before us.

#include "fiber/overflow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "fiber/context.h"
#include "fiber/sanitizer.h"
#include "fiber/stack_pool.h"
#include "support/valgrind.h"

namespace weft::detail {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

thread_local const Stack* t_running = nullptr;

bool describe(CurrentFiberInfo& info) noexcept {
  if (t_running == nullptr) return false;
  info = {t_running, 4711, "parser", "server.cc", 123, "serve"};
  return true;
}

bool describe_without_strings(CurrentFiberInfo& info) noexcept {
  info = {t_running, 4711, nullptr, nullptr, 0, nullptr};
  return t_running != nullptr;
}

struct Run {
  const Stack& stack;
  void (*code)();
  const void* caller_bottom = nullptr;
  std::size_t caller_size = 0;
};

void entry(Transfer from) {
  auto& run = *static_cast<Run*>(from.data);
#if defined(WEFT_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, &run.caller_bottom, &run.caller_size);
#endif
  run.code();
#if defined(WEFT_ASAN)
  __sanitizer_start_switch_fiber(nullptr, run.caller_bottom, run.caller_size);
#endif
  jump(from.fctx, nullptr);
}

void run_on(const Stack& stack, void (*code)()) {
  Run run{stack, code};
  t_running = &stack;
  const auto context = make_context(stack.top(), stack.size, entry);
#if defined(WEFT_ASAN)
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, stack.limit, stack.size);
#endif
  jump(context, &run);
#if defined(WEFT_ASAN)
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  t_running = nullptr;
}

volatile bool g_deeper = true;

// Frames of half a page step into every guard; smaller ones would be too many for ThreadSanitizer's
// shadow stack.
[[gnu::noinline]] int dig(int depth) {
  char frame[2048];
  frame[0] = static_cast<char>(depth);
  asm volatile("" : : "r"(frame) : "memory");  // all of it is needed, for all the compiler knows
  return (g_deeper ? dig(depth + 1) : 0) + frame[0];
}

void overflow() { dig(0); }

// The whole life of a program whose fiber overflows its stack.
void overflow_a_fiber(GuardPolicy policy, std::uint8_t size_class, DescribeCurrent with) {
  StackDepot depot(policy);
  StackCache cache(depot);
  AlternateSignalStack signal_stack;
  install_overflow_handler(with);
  run_on(*cache.acquire(size_class), overflow);
}

// The default action, which sanitizers replace by a report and an exit code.
bool died_of_fault(int status) {
#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return true;
#endif
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/// A page that faults when touched and is no stack's guard.
class BadPage {
 public:
  BadPage() : page_(::mmap(nullptr, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
  ~BadPage() { ::munmap(page_, page_size()); }
  BadPage(const BadPage&) = delete;
  BadPage& operator=(const BadPage&) = delete;

  void touch() const { *static_cast<volatile char*>(page_) = 1; }
  void* address() const { return page_; }

 private:
  void* page_;
};

// The program's own handler: notes what arrived and leaves by a jump, or returns if there is
// nowhere to jump.
sigjmp_buf g_resume;
volatile sig_atomic_t g_calls;
volatile sig_atomic_t g_may_jump;
void* volatile g_address;
const void* volatile g_frame;
volatile sig_atomic_t g_usr1_blocked;

void plain_handler(int) {
  char here;
  g_calls = g_calls + 1;
  g_frame = &here;
  sigset_t mask;
  ::sigprocmask(SIG_SETMASK, nullptr, &mask);
  g_usr1_blocked = sigismember(&mask, SIGUSR1);
  if (g_may_jump != 0) siglongjmp(g_resume, 1);
}

void info_handler(int signal, siginfo_t* info, void*) {
  g_address = info->si_addr;
  plain_handler(signal);
}

struct sigaction action_of(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action;
}

/// Installs the program's own handler before weft's, and puts back what the test found.
class OverflowHandler : public testing::Test {
 protected:
  void SetUp() override {
    found_ = action_of(SIGSEGV);
    g_calls = 0;
    g_may_jump = 0;
  }
  void TearDown() override { ::sigaction(SIGSEGV, &found_, nullptr); }

  static void program_installs(void (*handler)(int), int flags = 0) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    ::sigaction(SIGSEGV, &action, nullptr);
  }
  static void program_installs(void (*handler)(int, siginfo_t*, void*), int flags = 0) {
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaddset(&action.sa_mask, SIGUSR1);
    ::sigaction(SIGSEGV, &action, nullptr);
  }

  // Touches the bad page; what was written to stderr meanwhile.
  std::string fault_and_resume() {
    const support::DeliberateErrors errors;
    testing::internal::CaptureStderr();
    g_may_jump = 1;
    if (sigsetjmp(g_resume, 1) == 0) bad_.touch();
    g_may_jump = 0;
    return testing::internal::GetCapturedStderr();
  }

  BadPage bad_;

 private:
  struct sigaction found_;
};

class OverflowDeathTest : public OverflowHandler {
 protected:
  void SetUp() override {
    OverflowHandler::SetUp();
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

constexpr std::uint8_t kSwarm = size_class_for(std::size_t{64} << 10);

TEST_F(OverflowDeathTest, ReportNamesFiberSpawnSiteSizeAndCure) {
  EXPECT_EXIT(
      overflow_a_fiber(GuardPolicy::kMprotect, kSwarm, describe), died_of_fault,
      AllOf(ContainsRegex("weft: stack overflow in fiber 4711 \"parser\", spawned at server.cc:123 "
                          "\\(serve\\)"),
            ContainsRegex("touched 0x[0-9a-f]+, [0-9]+ bytes below its stack of [0-9]+ bytes"),
            HasSubstr("spawn({.stack_size = 131072}, ...)")));
}

TEST_F(OverflowDeathTest, KernelGuardIsReportedAlike) {
  if (!kernel_guards_supported()) GTEST_SKIP() << "the kernel has no MADV_GUARD_INSTALL";
  EXPECT_EXIT(overflow_a_fiber(GuardPolicy::kKernel, kSwarm, describe), died_of_fault,
              "weft: stack overflow in fiber 4711");
}

TEST_F(OverflowDeathTest, UnknownStringsAreLeftOut) {
  EXPECT_EXIT(overflow_a_fiber(GuardPolicy::kAuto, kSwarm, describe_without_strings), died_of_fault,
              "stack overflow in fiber 4711\nweft: it touched");
}

TEST_F(OverflowDeathTest, LargestStackGetsOtherAdvice) {
  EXPECT_EXIT(overflow_a_fiber(GuardPolicy::kAuto, kStackSizeClasses - 1, describe), died_of_fault,
              AllOf(HasSubstr("no larger one can be had"), Not(HasSubstr("stack_size"))));
}

#if defined(WEFT_ASAN)
TEST_F(OverflowDeathTest, AddressSanitizerReportsAfterUs) {
  EXPECT_EXIT(overflow_a_fiber(GuardPolicy::kAuto, kSwarm, describe), died_of_fault,
              "weft: stack overflow.*AddressSanitizer: stack-overflow");
}
#endif

void exit_42(int) { ::_exit(42); }

TEST_F(OverflowDeathTest, ReportComesBeforeTheProgramsOwnHandler) {
  EXPECT_EXIT(
      {
        program_installs(exit_42);
        overflow_a_fiber(GuardPolicy::kAuto, kSwarm, describe);
      },
      testing::ExitedWithCode(42), "weft: stack overflow in fiber 4711");
}

TEST_F(OverflowDeathTest, IgnoredFaultStillEndsTheProgram) {
  EXPECT_EXIT(
      {
        program_installs(SIG_IGN);
        overflow_a_fiber(GuardPolicy::kAuto, kSwarm, describe);
      },
      died_of_fault, "weft: stack overflow");
}

TEST_F(OverflowDeathTest, FaultElsewhereInAFiberDiesUnreported) {
  EXPECT_EXIT(
      {
        StackDepot depot;
        StackCache cache(depot);
        install_overflow_handler(describe);
        run_on(*cache.acquire(kSwarm), [] { BadPage().touch(); });
      },
      died_of_fault, Not(HasSubstr("weft:")));
}

TEST_F(OverflowDeathTest, FaultInTheGuardOfAnotherStackDiesUnreported) {
  EXPECT_EXIT(
      {
        StackDepot depot;
        StackCache cache(depot);
        install_overflow_handler(describe);
        static Stack* other = cache.acquire(kSwarm);
        run_on(*cache.acquire(kSwarm),
               [] { *const_cast<volatile std::byte*>(other->limit - 1) = std::byte{1}; });
      },
      died_of_fault, Not(HasSubstr("weft:")));
}

TEST_F(OverflowDeathTest, SignalSentByKillEndsTheProgramUnreported) {
  EXPECT_EXIT(
      {
        program_installs(SIG_DFL);
        install_overflow_handler(describe);
        ::kill(::getpid(), SIGSEGV);
      },
      testing::KilledBySignal(SIGSEGV), Not(HasSubstr("weft:")));
}

void say_called(int) { EXPECT_EQ(::write(STDERR_FILENO, "called\n", 7), 7); }

TEST_F(OverflowDeathTest, HandlerThatAskedForOneCallGetsOne) {
  EXPECT_EXIT(
      {
        program_installs(say_called, static_cast<int>(SA_RESETHAND));
        install_overflow_handler(describe);
        bad_.touch();  // the handler returns, so the fault comes again
      },
      testing::KilledBySignal(SIGSEGV),
      AllOf(HasSubstr("called"), Not(HasSubstr("called\ncalled"))));
}

TEST_F(OverflowHandler, FaultElsewhereReachesTheProgramsHandler) {
  program_installs(info_handler);
  install_overflow_handler(describe);
  EXPECT_EQ(fault_and_resume(), "");
  EXPECT_EQ(g_calls, 1);
  EXPECT_EQ(g_address, bad_.address());
  EXPECT_EQ(g_usr1_blocked, 1) << "the mask that the program asked for";
  remove_overflow_handler();
}

TEST_F(OverflowHandler, HandlerWithoutSiginfoIsReachedToo) {
  program_installs(plain_handler);
  install_overflow_handler(describe);
  EXPECT_EQ(fault_and_resume(), "");
  EXPECT_EQ(fault_and_resume(), "");
  EXPECT_EQ(g_calls, 2);
  remove_overflow_handler();
}

TEST_F(OverflowHandler, FaultOnAThreadThatIsNoWorkerReachesTheProgramsHandler) {
  program_installs(info_handler);
  install_overflow_handler(describe);
  std::thread([&] { EXPECT_EQ(fault_and_resume(), ""); }).join();
  EXPECT_EQ(g_calls, 1);
  EXPECT_EQ(g_address, bad_.address());
  remove_overflow_handler();
}

TEST_F(OverflowHandler, HandlerRunsOnTheSignalStack) {
  if (support::on_valgrind()) GTEST_SKIP() << "Valgrind loses the stack that a jump leaves";
  const AlternateSignalStack signal_stack;
  ASSERT_FALSE(signal_stack.error());
  program_installs(info_handler);
  install_overflow_handler(describe);
  fault_and_resume();
  EXPECT_TRUE(signal_stack.contains(const_cast<const void*>(g_frame)));
  remove_overflow_handler();
}

TEST_F(OverflowHandler, SentSignalIsIgnoredWhereTheProgramIgnoresIt) {
  program_installs(SIG_IGN);
  install_overflow_handler(describe);
  EXPECT_EQ(::raise(SIGSEGV), 0);
  remove_overflow_handler();
}

TEST_F(OverflowHandler, SentSignalReachesTheProgramsHandler) {
  program_installs(plain_handler);
  install_overflow_handler(describe);
  EXPECT_EQ(::raise(SIGSEGV), 0);
  EXPECT_EQ(g_calls, 1);
  remove_overflow_handler();
}

TEST_F(OverflowHandler, LastRemoveRestores) {
  program_installs(info_handler);
  const struct sigaction bus = action_of(SIGBUS);
  install_overflow_handler(describe);
  install_overflow_handler(describe);
  EXPECT_NE(action_of(SIGBUS).sa_sigaction, bus.sa_sigaction);
  remove_overflow_handler();
  EXPECT_NE(action_of(SIGSEGV).sa_sigaction, info_handler);
  remove_overflow_handler();
  EXPECT_EQ(action_of(SIGSEGV).sa_sigaction, info_handler);
  EXPECT_EQ(action_of(SIGBUS).sa_sigaction, bus.sa_sigaction);
}

// A handler that another library put over ours, and that calls ours as a good one does.
struct sigaction g_below;
volatile sig_atomic_t g_cover_calls;

void covering_handler(int signal, siginfo_t* info, void* context) {
  g_cover_calls = g_cover_calls + 1;
  g_below.sa_sigaction(signal, info, context);
}

TEST_F(OverflowHandler, HandlerPutOverOursStaysAndIsNotCalledInCircles) {
  program_installs(info_handler);
  install_overflow_handler(describe);
  g_below = action_of(SIGSEGV);
  g_cover_calls = 0;
  program_installs(covering_handler);
  remove_overflow_handler();
  EXPECT_EQ(action_of(SIGSEGV).sa_sigaction, covering_handler);
  install_overflow_handler(describe);
  EXPECT_EQ(action_of(SIGSEGV).sa_sigaction, covering_handler);
  EXPECT_EQ(fault_and_resume(), "");
  EXPECT_EQ(g_cover_calls, 1);
  EXPECT_EQ(g_calls, 1);

  ::sigaction(SIGSEGV, &g_below, nullptr);  // the library leaves
  remove_overflow_handler();
  EXPECT_EQ(action_of(SIGSEGV).sa_sigaction, info_handler);
}

}  // namespace
}  // namespace weft::detail
