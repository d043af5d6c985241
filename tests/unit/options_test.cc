// Goal: what the program sets wins over the environment, which wins over the machine; and every bad
// value is refused with a message that names it, what was given, and what is allowed. Method: the
// environment of this process, restored after each test.

#include "options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include "fiber/stack.h"
#include "sched/cpu_count.h"

namespace weft::detail {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kVariables[] = {
    "WEFT_WORKERS", "WEFT_STACK_SIZE", "WEFT_DRIVER", "WEFT_BLOCKING_THREADS",
    "WEFT_NAME",    "WEFT_FIFO",       "WEFT_DEBUG",
};

class OptionsTest : public testing::Test {
 protected:
  // Whatever the tests were started with is of no concern here.
  OptionsTest() { clear(); }
  ~OptionsTest() override { clear(); }

  static void clear() {
    for (const char* name : kVariables) ::unsetenv(name);
  }
  static void set(const char* name, const char* value) { ::setenv(name, value, 1); }

  // The message with which the options are refused.
  static std::string refusal(const Options& options = {}) {
    try {
      resolve(options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "not refused";
  }
};

// ---- Who spins.

TEST_F(OptionsTest, OnOneProcessorTheOnlyWorkerSpinsAndYields) {
  std::thread([] {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(::sched_getcpu(), &mask);
    ASSERT_EQ(::sched_setaffinity(0, sizeof(mask), &mask), 0);
    const bool quota = cpu_budget().quota_limited;
    EXPECT_EQ(resolve({.workers = 1}).spin, !quota);
    EXPECT_TRUE(resolve({.workers = 1}).spin_yields);
    EXPECT_FALSE(resolve({.workers = 2}).spin);
  }).join();
}

TEST_F(OptionsTest, OnSeveralOneOfManyWorkersSpinsAndYieldsNothing) {
  const CpuBudget budget = cpu_budget();
  const bool several = budget.cpus > 1;
  EXPECT_EQ(resolve({.workers = 2}).spin, several && !budget.quota_limited);
  EXPECT_EQ(resolve({.workers = 2}).spin_yields, !several);
}

// ---- Defaults.

TEST_F(OptionsTest, DefaultsComeFromTheMachine) {
  const ResolvedOptions options = resolve({});
  EXPECT_EQ(options.workers, cpu_budget().cpus);
  EXPECT_GE(options.workers, 1u);
  EXPECT_EQ(options.stack_class, size_class_for(std::size_t{256} << 10));
  EXPECT_EQ(options.driver, "");
  EXPECT_EQ(options.blocking_threads, 64u);
  EXPECT_EQ(options.name, "weft");
  EXPECT_FALSE(options.fifo);
  EXPECT_FALSE(options.debug);
}

TEST_F(OptionsTest, OneOfAsManyWorkersAsProcessorsSpinsUnlessUnderAQuota) {
  EXPECT_EQ(resolve({}).spin, !cpu_budget().quota_limited);
}

TEST_F(OptionsTest, EmptyVariableCountsAsNone) {
  for (const char* name : kVariables) set(name, "");
  const ResolvedOptions options = resolve({});
  EXPECT_EQ(options.workers, cpu_budget().cpus);
  EXPECT_EQ(options.name, "weft");
  EXPECT_EQ(options.blocking_threads, 64u);
  EXPECT_FALSE(options.fifo);
}

// ---- The environment.

TEST_F(OptionsTest, EnvironmentFillsInWhatTheProgramLeftOpen) {
  set("WEFT_WORKERS", "3");
  set("WEFT_STACK_SIZE", "65536");
  set("WEFT_DRIVER", "epoll");
  set("WEFT_BLOCKING_THREADS", "5");
  set("WEFT_NAME", "server");
  set("WEFT_FIFO", "1");
  set("WEFT_DEBUG", "1");
  const ResolvedOptions options = resolve({});
  EXPECT_EQ(options.workers, 3u);
  EXPECT_EQ(options.stack_class, size_class_for(std::size_t{64} << 10));
  EXPECT_EQ(options.driver, "epoll");
  EXPECT_EQ(options.blocking_threads, 5u);
  EXPECT_EQ(options.name, "server");
  EXPECT_TRUE(options.fifo);
  EXPECT_TRUE(options.debug);
}

TEST_F(OptionsTest, ProgramWinsOverTheEnvironment) {
  set("WEFT_WORKERS", "3");
  set("WEFT_STACK_SIZE", "65536");
  set("WEFT_BLOCKING_THREADS", "5");
  set("WEFT_NAME", "server");
  const ResolvedOptions options =
      resolve({.workers = 7, .stack_size = 16 << 10, .blocking_threads = 9, .name = "mine"});
  EXPECT_EQ(options.workers, 7u);
  EXPECT_EQ(options.stack_class, 0);
  EXPECT_EQ(options.blocking_threads, 9u);
  EXPECT_EQ(options.name, "mine");
}

TEST_F(OptionsTest, DriverOfTheEnvironmentWinsOverTheProgram) {
  EXPECT_EQ(resolve({.driver = "auto"}).driver, "auto");
  set("WEFT_DRIVER", "epoll");
  EXPECT_EQ(resolve({.driver = "auto"}).driver, "epoll");
}

TEST_F(OptionsTest, ValueThatTheProgramSetsHidesABadOneOfTheEnvironment) {
  set("WEFT_WORKERS", "many");
  EXPECT_EQ(resolve({.workers = 2}).workers, 2u);
}

TEST_F(OptionsTest, FlagsAreZeroOrOne) {
  set("WEFT_FIFO", "0");
  set("WEFT_DEBUG", "0");
  EXPECT_FALSE(resolve({}).fifo);
  EXPECT_FALSE(resolve({}).debug);
  EXPECT_TRUE(resolve({.fifo = true}).fifo) << "what the program sets wins";
  for (const char* name : {"WEFT_FIFO", "WEFT_DEBUG"}) {
    for (const char* value : {"yes", "2", "true", "01", " 1"}) {
      clear();
      set(name, value);
      EXPECT_THAT(refusal(), AllOf(HasSubstr(name), HasSubstr("\"" + std::string(value) + "\""),
                                   HasSubstr("0 or 1")));
    }
  }
}

// ---- Ranges.

TEST_F(OptionsTest, EndsOfTheRangesAreAllowed) {
  EXPECT_EQ(resolve({.workers = 1}).workers, 1u);
  EXPECT_EQ(resolve({.workers = 1024}).workers, 1024u);
  EXPECT_EQ(resolve({.blocking_threads = 4096}).blocking_threads, 4096u);
  EXPECT_EQ(resolve({.stack_size = std::size_t{16} << 10}).stack_class, 0);
  EXPECT_EQ(resolve({.stack_size = std::size_t{64} << 20}).stack_class, kStackSizeClasses - 1);
  set("WEFT_WORKERS", "1024");
  set("WEFT_BLOCKING_THREADS", "1");
  EXPECT_EQ(resolve({}).workers, 1024u);
  EXPECT_EQ(resolve({}).blocking_threads, 1u);
}

TEST_F(OptionsTest, StackSizeIsRoundedUpToAPowerOfTwo) {
  EXPECT_EQ(class_size(resolve({.stack_size = 100'000}).stack_class), 131'072u);
  set("WEFT_STACK_SIZE", "65537");
  EXPECT_EQ(class_size(resolve({}).stack_class), 131'072u);
}

TEST_F(OptionsTest, OptionOutOfRangeIsRefusedByNameValueAndRange) {
  EXPECT_THAT(
      refusal({.workers = 1025}),
      AllOf(HasSubstr("Options::workers"), HasSubstr("\"1025\""), HasSubstr("from 1 to 1024")));
  EXPECT_THAT(refusal({.blocking_threads = 4097}),
              AllOf(HasSubstr("Options::blocking_threads"), HasSubstr("\"4097\""),
                    HasSubstr("from 1 to 4096")));
  for (const std::size_t size : {std::size_t{1}, std::size_t{16383}, (std::size_t{64} << 20) + 1}) {
    EXPECT_THAT(refusal({.stack_size = size}), AllOf(HasSubstr("Options::stack_size"),
                                                     HasSubstr("\"" + std::to_string(size) + "\""),
                                                     HasSubstr("from 16384 to 67108864")));
  }
}

TEST_F(OptionsTest, SlowFiberLimitMustBePositive) {
  for (const int nanoseconds : {0, -5}) {
    EXPECT_THAT(refusal({.slow_fiber = std::chrono::nanoseconds(nanoseconds)}),
                AllOf(HasSubstr("Options::slow_fiber"),
                      HasSubstr("\"" + std::to_string(nanoseconds) + " ns\""),
                      HasSubstr("more than zero")));
  }
}

TEST_F(OptionsTest, VariableThatIsNoNumberInRangeIsRefusedByNameValueAndRange) {
  struct {
    const char* name;
    const char* range;
  } const numbers[] = {
      {"WEFT_WORKERS", "from 1 to 1024"},
      {"WEFT_BLOCKING_THREADS", "from 1 to 4096"},
      {"WEFT_STACK_SIZE", "from 16384 to 67108864"},
  };
  for (const auto& [name, range] : numbers) {
    for (const char* value : {"0", "-1", "+4", " 4", "4 ", "4k", "0x10", "2.5", "many", "1e3",
                              "99999999999", "18446744073709551616"}) {
      clear();
      set(name, value);
      EXPECT_THAT(refusal(), AllOf(HasSubstr(name), HasSubstr("\"" + std::string(value) + "\""),
                                   HasSubstr("a whole number"), HasSubstr(range)));
    }
  }
}

// ---- On the surface.

TEST_F(OptionsTest, RuntimeRefusesBadOptionsBeforeItStartsAnything) {
  set("WEFT_WORKERS", "0");
  EXPECT_THROW(Runtime(), std::invalid_argument);
  clear();
  EXPECT_THROW(Runtime({.workers = 5000}), std::invalid_argument);
  EXPECT_THROW(Runtime({.driver = "kqueue"}), std::invalid_argument);
}

TEST_F(OptionsTest, UnknownDriverIsRefusedByNameValueAndChoice) {
  set("WEFT_DRIVER", "kqueue");
  try {
    Runtime runtime({.workers = 1});
    FAIL() << "not refused";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("WEFT_DRIVER"), HasSubstr("kqueue"),
                                    HasSubstr("auto"), HasSubstr("epoll")));
  }
}

TEST_F(OptionsTest, RuntimeHasTheWorkersItWasToldTo) {
  EXPECT_EQ(Runtime({.workers = 3}).workers(), 3u);
  set("WEFT_WORKERS", "2");
  EXPECT_EQ(Runtime().workers(), 2u);
}

}  // namespace
}  // namespace weft::detail
