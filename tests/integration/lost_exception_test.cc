// Goal: an exception that nobody has read by the time its task's last handle goes is reported,
// exactly once, with all that is needed to find it; one that was read is not. Method: a handler
// that writes down what it is told, and captured standard error for the default one.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <weft/weft.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/eventually.h"
#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using support::LostExceptionLog;
using support::text_of;
using testing::HasSubstr;

weft::Options reporting_to(LostExceptionLog& log) {
  return weft::Options{.on_lost_exception = log.handler()};
}

[[noreturn]] void fail() { throw std::runtime_error("nobody reads this"); }

TEST(LostException, SaysWhichTaskWhereFromAndWhat) {
  LostExceptionLog log;
  std::uint64_t id = 0;
  int line = 0;
  weft::run(reporting_to(log), [&] {
    line = __LINE__ + 1;
    weft::Task<void> task = weft::spawn({.name = "careless"}, fail);
    id = task.id();
    task.join();
    EXPECT_EQ(log.size(), 0u) << "a handle is left";
  });
  ASSERT_EQ(log.size(), 1u);
  const weft::LostException lost = log.entries()[0];
  EXPECT_EQ(lost.task_id, id);
  EXPECT_EQ(lost.task_name, "careless");
  EXPECT_THAT(lost.site.file, HasSubstr("lost_exception_test"));
  EXPECT_EQ(static_cast<int>(lost.site.line), line);
  EXPECT_THAT(lost.site.function, HasSubstr("operator()"));
  EXPECT_EQ(text_of(lost.exception), "nobody reads this");
}

TEST(LostException, OfANamelessTaskHasItsId) {
  LostExceptionLog log;
  std::string name;
  weft::run(reporting_to(log), [&] {
    weft::Task<void> task = weft::spawn(fail);
    name = task.name();
    task.join();
  });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log.entries()[0].task_name, name);
}

TEST(LostException, OfADetachedTaskIsReportedWhenItEnds) {
  LostExceptionLog log;
  weft::Event reported;
  const weft::Options options{.on_lost_exception = [&, note = log.handler()](const auto& lost) {
    note(lost);
    reported.set();
  }};
  weft::run(options, [&] {
    weft::spawn(fail);
    reported.wait();
  });
  EXPECT_EQ(log.size(), 1u);
}

TEST(LostException, IsReportedByTheLastOfManyHandles) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [&] {
    std::vector<weft::Task<void>> handles(10, weft::spawn(fail));
    handles.front().join();
    while (handles.size() > 1) handles.pop_back();
    EXPECT_EQ(log.size(), 0u);
    handles.clear();
    EXPECT_TRUE(support::eventually([&] { return log.size() == 1; }));
  });
  EXPECT_EQ(log.size(), 1u);
}

TEST(LostException, ItsHandlerMayWaitAlthoughACancellationIsPending) {
  bool waited = false;
  const weft::Options options{.on_lost_exception = [&](const auto&) {
    weft::yield();
    waited = true;
  }};
  weft::run(options, [] {
    weft::Task<void> task = weft::spawn(fail);
    task.join();
    const auto drop = [&] {
      task = {};
      weft::yield();
    };
    EXPECT_THROW(weft::timeout(std::chrono::seconds(0), drop), weft::TimeoutError);
  });
  EXPECT_TRUE(waited);
}

TEST(LostException, IsNoneOnceItWasRead) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [] {
    EXPECT_THROW(weft::spawn(fail).get(), std::runtime_error);

    weft::Task<void> looked_at = weft::spawn(fail);
    looked_at.join();
    EXPECT_NE(looked_at.exception(), nullptr);

    EXPECT_THROW(weft::gather(fail, [] {}), std::runtime_error);

    auto [outcome] = weft::gather(weft::return_exceptions, fail);
    EXPECT_FALSE(outcome.has_value());
  });
  EXPECT_EQ(log.size(), 0u);
}

TEST(LostException, ReadByOneOfManyWaitersIsRead) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [] {
    weft::Task<void> task = weft::spawn(fail);
    weft::Task<void> joins = weft::spawn([task] { task.join(); });
    weft::Task<void> gets = weft::spawn([task]() mutable { EXPECT_ANY_THROW(task.get()); });
    weft::gather(joins, gets);
  });
  EXPECT_EQ(log.size(), 0u);
}

TEST(LostException, LookingTooEarlyDoesNotCount) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [] {
    weft::Event go;
    weft::Task<void> task = weft::spawn([&go] {
      go.wait();
      fail();
    });
    EXPECT_EQ(task.exception(), nullptr);
    go.set();
    task.join();
  });
  EXPECT_EQ(log.size(), 1u);
}

TEST(LostException, CancellationIsNone) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [] {
    weft::spawn(support::sleep_forever).cancel();
    weft::spawn([] { throw weft::Cancelled(); }).join();
    weft::spawn(support::sleep_forever);  // until the end of run
    weft::yield();
  });
  EXPECT_EQ(log.size(), 0u);
}

TEST(LostException, OfMainIsNone) {
  LostExceptionLog log;
  EXPECT_THROW(weft::run(reporting_to(log), fail), std::runtime_error);
  EXPECT_EQ(log.size(), 0u);
}

TEST(LostException, OfAFailedGatherOnlyTheFirstMattersAndTheRestAreRead) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [] {
    weft::Event go;
    support::Arrivals ended(5);
    const auto fails_later = [&] {
      struct AtEnd {
        support::Arrivals& ended;
        ~AtEnd() { ended.arrive(); }
      } at_end{ended};
      go.wait();
      fail();
    };
    EXPECT_THROW(weft::gather(fails_later, fails_later, fails_later, fails_later, fails_later,
                              [] { throw std::logic_error("first"); }),
                 std::logic_error);
    go.set();
    ended.wait();
  });
  EXPECT_EQ(log.size(), 0u);
}

TEST(LostException, OddTypesAreReported) {
  LostExceptionLog log;
  weft::run(reporting_to(log), [] { weft::spawn([] { throw 42; }).join(); });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_THROW(std::rethrow_exception(log.entries()[0].exception), int);
}

TEST(LostException, EachOfManyIsReportedOnce) {
  LostExceptionLog log;
  const int count = support::scaled(2'000);
  std::atomic<int> failed{0};
  weft::run(reporting_to(log), [&] {
    for (int i = 0; i < count; ++i) {
      weft::Task<void> task = weft::spawn([&failed, i] {
        ++failed;
        throw std::runtime_error(std::to_string(i));
      });
      if (i % 3 == 0) weft::spawn([task] { task.join(); });
      if (i % 7 == 0) task.join();
    }
  });
  std::vector<int> seen;
  for (const weft::LostException& lost : log.entries()) {
    seen.push_back(std::stoi(text_of(lost.exception)));
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::adjacent_find(seen.begin(), seen.end()), seen.end());
  // Those that the end of run cancelled before they began have not failed.
  EXPECT_EQ(static_cast<int>(seen.size()), failed);
  EXPECT_GE(failed, count / 7);
}

// ---- The default.

std::string stderr_of(const std::function<void()>& body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

TEST(LostException, DefaultWritesOneLine) {
  std::string name;
  const std::string text =
      stderr_of([&] { weft::run([&] { weft::spawn({.name = "worker bee"}, fail).join(); }); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_THAT(text, HasSubstr("worker bee"));
  EXPECT_THAT(text, HasSubstr("lost_exception_test.cc:"));
  EXPECT_THAT(text, HasSubstr("nobody reads this"));
  EXPECT_THAT(text, HasSubstr("runtime_error"));
}

TEST(LostException, DefaultNamesOddTypes) {
  const std::string text =
      stderr_of([] { weft::run([] { weft::spawn([] { throw 4.5; }).join(); }); });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  EXPECT_THAT(text, HasSubstr("double"));
}

TEST(LostException, OfAHandleDroppedByAThreadGoesToStandardError) {
  LostExceptionLog log;
  weft::Task<void> kept;
  weft::run(reporting_to(log), [&] {
    kept = weft::spawn(fail);
    kept.join();
  });
  const std::string text = stderr_of([&] { kept = {}; });
  EXPECT_THAT(text, HasSubstr("nobody reads this"));
  EXPECT_EQ(log.size(), 0u);
}

TEST(LostException, SilentWhenThereIsNone) {
  EXPECT_EQ(stderr_of([] {
              weft::run([] {
                weft::gather([] { return 1; }, [] {});
                EXPECT_ANY_THROW(weft::spawn(fail).get());
              });
            }),
            "");
}

}  // namespace
