// Goal: options and their environment variables do what they say, and a bad value is an error that
// names it, what was given and what is allowed. Method: every option with values on both sides of
// its bounds. The environment is changed for one test at a time and put back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/weft.h>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/task_steps.h"

namespace {

using testing::HasSubstr;

/// Sets a variable as long as it lives. Made while no runtime runs: setenv is not thread-safe.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const before = std::getenv(name)) before_ = before;
    ::setenv(name, value, 1);
  }
  ~Variable() {
    if (before_) {
      ::setenv(name_, before_->c_str(), 1);
    } else {
      ::unsetenv(name_);
    }
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* const name_;
  std::optional<std::string> before_;
};

/// What the refusal says; "" if the options are accepted.
std::string refusal(const weft::Options& options) {
  try {
    weft::Runtime runtime(options);
    return "";
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

void expect_refused(const weft::Options& options, const std::vector<std::string>& words) {
  const std::string text = refusal(options);
  for (const std::string& word : words) EXPECT_THAT(text, HasSubstr(word));
}

TEST(Options, WorkersAreWhatWasAskedFor) {
  for (unsigned workers : {1u, 2u, 5u}) {
    EXPECT_EQ(weft::Runtime(weft::Options{.workers = workers}).workers(), workers);
  }
}

TEST(Options, WorkersAreAtLeastOneByDefault) {
  const Variable none("WEFT_WORKERS", "");
  EXPECT_GE(weft::Runtime().workers(), 1u);
}

TEST(Options, EnvironmentFillsInAndTheProgramWins) {
  const Variable three("WEFT_WORKERS", "3");
  EXPECT_EQ(weft::Runtime().workers(), 3u);
  EXPECT_EQ(weft::Runtime(weft::Options{.workers = 2}).workers(), 2u);
}

TEST(Options, BadValuesAreNamedWithWhatIsAllowed) {
  expect_refused({.workers = 1025}, {"Options::workers", "1025", "from 1 to 1024"});
  expect_refused({.workers = ~0u}, {"Options::workers", "4294967295"});
  expect_refused({.stack_size = 16383}, {"Options::stack_size", "16383", "16384", "67108864"});
  expect_refused({.stack_size = (64 << 20) + 1}, {"Options::stack_size", "67108865"});
  expect_refused({.blocking_threads = 4097},
                 {"Options::blocking_threads", "4097", "from 1 to 4096"});
  expect_refused({.slow_fiber = std::chrono::nanoseconds(0)},
                 {"Options::slow_fiber", "0", "more than zero"});
  expect_refused({.slow_fiber = std::chrono::nanoseconds(-5)}, {"Options::slow_fiber", "-5"});
}

TEST(Options, BadDriverIsNamedWithWhatIsAllowed) {
  const Variable none("WEFT_DRIVER", "");
  expect_refused({.driver = "kqueue"}, {"Options::driver", "kqueue", "epoll", "auto"});
  EXPECT_EQ(refusal({.driver = "epoll"}), "");
  EXPECT_EQ(refusal({.driver = "auto"}), "");
}

TEST(Options, DriverOfTheEnvironmentOverridesTheProgram) {
  const Variable epoll("WEFT_DRIVER", "epoll");
  EXPECT_EQ(refusal({.driver = "kqueue"}), "");
  EXPECT_STREQ(weft::Runtime(weft::Options{.driver = "auto"}).metrics().driver, "epoll");
}

TEST(Options, BadVariablesAreNamedWithWhatIsAllowed) {
  const struct {
    const char* name;
    const char* value;
    const char* allowed;
  } bad[] = {
      {"WEFT_WORKERS", "0", "from 1 to 1024"},
      {"WEFT_WORKERS", "1025", "from 1 to 1024"},
      {"WEFT_WORKERS", "two", "whole number"},
      {"WEFT_WORKERS", "2 ", "whole number"},
      {"WEFT_WORKERS", "-1", "whole number"},
      {"WEFT_WORKERS", "1.5", "whole number"},
      {"WEFT_WORKERS", "99999999999999999999999", "from 1 to 1024"},
      {"WEFT_STACK_SIZE", "4096", "from 16384 to 67108864"},
      {"WEFT_STACK_SIZE", "1M", "whole number"},
      {"WEFT_BLOCKING_THREADS", "0", "from 1 to 4096"},
      {"WEFT_FIFO", "yes", "0 or 1"},
      {"WEFT_DEBUG", "2", "0 or 1"},
      {"WEFT_DRIVER", "select", "epoll"},
  };
  for (const auto& [name, value, allowed] : bad) {
    const Variable variable(name, value);
    expect_refused({}, {name, value, allowed});
  }
}

TEST(Options, GoodVariablesAreTaken) {
  const Variable workers("WEFT_WORKERS", "2"), stack("WEFT_STACK_SIZE", "65536"),
      threads("WEFT_BLOCKING_THREADS", "1"), fifo("WEFT_FIFO", "1"), debug("WEFT_DEBUG", "0"),
      name("WEFT_NAME", "loom"), driver("WEFT_DRIVER", "auto");
  EXPECT_EQ(weft::run([] { return weft::to_thread([] { return 1; }); }), 1);
}

TEST(Options, ABadValueStartsNothing) {
  EXPECT_THROW(weft::run(weft::Options{.workers = 5000}, [] { ADD_FAILURE() << "it ran"; }),
               std::invalid_argument);
  // And leaves the next one alone.
  EXPECT_EQ(weft::run([] { return 1; }), 1);
}

TEST(Options, StackSizeIsTheDefaultOfTasks) {
  const auto bytes_to_use = [] {
    // How far down the stack reaches is the kernel's secret; a mebibyte in one frame is not.
    volatile char frame[1 << 20];
    frame[0] = 1;
    frame[sizeof frame - 1] = 2;
    return frame[0] + frame[sizeof frame - 1];
  };
  EXPECT_EQ(weft::run(weft::Options{.stack_size = 4 << 20},
                      [&] { return weft::spawn(bytes_to_use).get(); }),
            3);
}

}  // namespace
