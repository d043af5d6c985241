// Goal: with WEFT_AUDIT a program tells at its end which calls blocked a worker, where and for how
// long, and nothing else; what it does is what it does without. Method: a program with the hooks,
// run with the audit's means that the environment names; its output and its reports are compared.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

#include "support/build_kind.h"
#include "support/child.h"
#include "support/temporary_folder.h"

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Ran {
  int exit_code = 0;
  std::string output;
  std::string report;
};

constexpr const char* kNothing = "weft audit: nothing blocked a worker\n";

class HookAudit : public testing::Test {
 protected:
  void SetUp() override {
    if (support::kThreadSanitizer) GTEST_SKIP() << "it holds signals back";
    if (support::kChaos) GTEST_SKIP() << "nothing here depends on what the scheduler chooses";
    by_ = std::getenv("WEFT_AUDIT_BY");
    static const std::string usual = run("registers").report;
    ASSERT_THAT(usual, StartsWith("weft audit by "));
    const std::string means = usual.substr(0, usual.find(':'));
    const bool refused = by_ == "dispatch" && means.find("by sampling (") != std::string::npos;
    if (refused) GTEST_SKIP() << "no dispatch here: " << means;
    ASSERT_THAT(means, StartsWith("weft audit by " + by_));
  }

  // With a report in a file.
  Ran run(const std::string& what) { return run_with(folder_ / "report", what); }

  Ran run_with(const std::string& audit, const std::string& what) {
    const std::string report = folder_ / "report";
    ::unlink(report.c_str());
    ::setenv("WEFT_AUDIT", audit.c_str(), 1);
    support::Child child({std::getenv("HOOK_AUDIT_PROGRAM"), what}, folder_ / "output");
    const int code = child.wait();
    return {code, child.said(), text_of(report)};
  }

  static std::string text_of(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  const support::TemporaryFolder folder_;
  std::string by_;
};

// Stack lines that name the function.
int times_in_stacks(const std::string& report, const std::string& function) {
  const std::regex line("    #[0-9]+ (\\(anonymous namespace\\)::)?" + function + "\\(");
  const std::sregex_iterator begin(report.begin(), report.end(), line);
  return static_cast<int>(std::distance(begin, std::sregex_iterator()));
}

// What is told from a headline to the next, of the stack in which the function is.
std::string told_of(const std::string& report, const std::string& function) {
  const std::size_t at = report.find(function + "(");
  if (at == std::string::npos) return "";
  const std::size_t fiber = report.rfind("\n  in ", at);
  const std::size_t begin = report.rfind('\n', fiber - 1) + 1;
  return report.substr(begin, at - begin);
}

// The program blocks for 200 ms each time; sampling sees the beginning late, on a busy machine.
constexpr double kWhile = 100;

// "1 time, 123.4 ms": a headline's, if it begins as it should.
double milliseconds_of(const std::string& told, const std::string& beginning) {
  std::smatch found;
  if (!std::regex_search(told, found, std::regex("^" + beginning + ", ([0-9.]+) ms"))) return -1;
  return std::stod(found[1]);
}

TEST_F(HookAudit, TellsWhatBlockedAWorkerOnceEach) {
  const Ran ran = run("block");
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  for (const char* const function :
       {"sleep_by_system_call", "read_by_system_call", "read_by_stdio", "lock_a_threads_mutex"}) {
    EXPECT_EQ(times_in_stacks(ran.report, function), 1) << function << "\n" << ran.report;
    EXPECT_THAT(told_of(ran.report, function),
                ContainsRegex("\n  in blocker \\(fiber [0-9]+\\), spawned at "
                              "[^\n]*hook_audit_program.cc:[0-9]+ in block_in_all_ways\n"));
  }
  const auto spent = [&](const char* function, const std::string& call) {
    return milliseconds_of(told_of(ran.report, function), call + ": 1 time");
  };
  const std::string read = "read on descriptor [0-9]+";
  EXPECT_GT(spent("sleep_by_system_call", "nanosleep"), kWhile) << ran.report;
  EXPECT_GT(spent("read_by_system_call", read), kWhile) << ran.report;
  EXPECT_GT(spent("read_by_stdio", read), kWhile) << ran.report;
  EXPECT_GT(spent("lock_a_threads_mutex", "futex"), kWhile) << ran.report;
  std::smatch sum;
  ASSERT_TRUE(std::regex_search(
      ran.report, sum,
      std::regex("\nweft audit: ([0-9]+) calls blocked a worker for ([0-9.]+) ms in all\n$")))
      << ran.report;
  EXPECT_GE(std::stoi(sum[1]), 4);
  EXPECT_GT(std::stod(sum[2]), 4 * kWhile);
}

TEST_F(HookAudit, HasNothingToTellOfWhatIsHooked) {
  const Ran ran = run("hooked");
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.report, AllOf(StartsWith("weft audit by " + by_), EndsWith(kNothing)));
  EXPECT_THAT(ran.report, Not(HasSubstr("hook_audit_program.cc")));
}

TEST_F(HookAudit, ChangesNothing) {
  for (const char* const what :
       {"block", "hooked", "less and more", "signals", "children", "registers"}) {
    const Ran without = run_with("0", what);
    const Ran with = run(what);
    EXPECT_EQ(without.exit_code, 0) << what;
    EXPECT_EQ(without.report, "") << what;
    EXPECT_EQ(with.exit_code, 0) << what;
    EXPECT_EQ(with.output, without.output) << what;
    EXPECT_NE(with.report, "") << what;
  }
}

TEST_F(HookAudit, CountsWhatHappensAgainAtTheSamePlace) {
  const Ran ran = run("repeat");
  EXPECT_EQ(times_in_stacks(ran.report, "sleep_by_system_call"), 1) << ran.report;
  const std::string told = told_of(ran.report, "sleep_by_system_call");
  EXPECT_GT(milliseconds_of(told, "nanosleep: 3 times"), 3 * kWhile) << ran.report;
  EXPECT_THAT(told, ContainsRegex(" in all, the longest [0-9.]+ ms\n"));
  EXPECT_GT(milliseconds_of(told_of(ran.report, "sleep_in_a_loop"), "nanosleep: 6 times"),
            3 * kWhile)
      << ran.report;
  EXPECT_THAT(told, ContainsRegex("in task-([0-9]+) \\(fiber [0-9]+\\)[^\n]*, and in others\n"));
}

TEST_F(HookAudit, TellsFirstWhatTookLongest) {
  const std::string report = run("less and more").report;
  const std::size_t less = report.find("sleep_for_less(");
  const std::size_t more = report.find("sleep_for_more(");
  ASSERT_NE(less, std::string::npos) << report;
  ASSERT_NE(more, std::string::npos) << report;
  EXPECT_LT(more, less) << report;
}

TEST_F(HookAudit, TellsOnRequestWhatThereIsSoFar) {
  EXPECT_THAT(run("ask").output, HasSubstr("audited: 1, before: 0, after: 1\n"));
  const Ran without = run_with("0", "ask");
  EXPECT_THAT(without.output, HasSubstr("audited: 0, before: 0, after: 0\n"));
}

TEST_F(HookAudit, TellsOnStandardErrorUnlessAFileIsNamed) {
  EXPECT_THAT(run_with("1", "hooked").output, HasSubstr(kNothing));
  EXPECT_THAT(run_with(folder_ / "no such folder/report", "hooked").output,
              AllOf(HasSubstr("weft: cannot write to WEFT_AUDIT="), HasSubstr(kNothing)));
}

TEST_F(HookAudit, AddsToAFile) {
  const std::string path = folder_ / "all";
  for (int i = 0; i < 2; ++i) run_with(path, "hooked");
  const std::string text = text_of(path);
  EXPECT_THAT(text, EndsWith(kNothing));
  EXPECT_NE(text.find(kNothing), text.rfind(kNothing));
}

TEST_F(HookAudit, KnowsItsMeans) {
  ::setenv("WEFT_AUDIT_BY", "guessing", 1);
  const Ran ran = run("hooked");
  ::setenv("WEFT_AUDIT_BY", by_.c_str(), 1);
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.output, "weft: WEFT_AUDIT_BY is \"guessing\"; it must be dispatch or sampling\n");
}

}  // namespace
