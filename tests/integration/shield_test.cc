// Goal: shield keeps the caller's cancellation from the task, and nothing else. Method: tasks that
// are kept from ending by events.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::throws_cancelled;

TEST(Shield, ReturnsWhatTheTaskReturns) {
  weft::run([] {
    const weft::Task<std::string> task = weft::spawn([] { return std::string(100, 'r'); });
    EXPECT_EQ(weft::shield(task), std::string(100, 'r'));
    EXPECT_EQ(weft::shield(task), std::string(100, 'r')) << "others may want it, too";
    EXPECT_EQ(*weft::shield([] { return std::make_unique<int>(4); }), 4);
    EXPECT_EQ(*weft::shield(weft::spawn([] { return std::make_unique<int>(5); })), 5);
    static_assert(std::is_void_v<decltype(weft::shield([] {}))>);
    weft::shield([] { weft::yield(); });
  });
}

TEST(Shield, ThrowsWhatTheTaskThrows) {
  weft::run([] {
    EXPECT_THROW(weft::shield([] { throw std::runtime_error("inner"); }), std::runtime_error);
    weft::Event never;
    const weft::Task<void> task = weft::spawn([&] { never.wait(); });
    task.cancel();
    EXPECT_TRUE(throws_cancelled([&] { weft::shield(task); }));
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

TEST(Shield, KeepsTheCallersCancellationFromTheTask) {
  weft::run([] {
    weft::Event go, waiting;
    weft::Task<int> inner = weft::spawn([&] {
      go.wait();
      return 9;
    });
    const weft::Task<void> outer = weft::spawn([&] {
      waiting.set();
      weft::shield(inner);
    });
    waiting.wait();
    outer.cancel();
    outer.join();
    EXPECT_TRUE(outer.cancelled());
    EXPECT_EQ(inner.cancelling(), 0u);
    go.set();
    EXPECT_EQ(inner.get(), 9);
  });
}

TEST(Shield, OutlivesATimeout) {
  weft::run([] {
    weft::Event go;
    weft::Task<int> inner = weft::spawn([&] {
      go.wait();
      return 3;
    });
    EXPECT_THROW(weft::timeout(10ms, [&] { return weft::shield(inner); }), weft::TimeoutError);
    go.set();
    EXPECT_EQ(inner.get(), 3);
  });
}

TEST(Shield, RefusesATaskThatNamesNone) {
  weft::run([] {
    const weft::Task<int> none;
    EXPECT_THROW(weft::shield(none), std::invalid_argument);
    EXPECT_THROW(weft::shield(weft::Task<void>()), std::invalid_argument);
  });
}

TEST(Shield, OfACallableGoesOnByItself) {
  weft::Event go, done;
  weft::run([&] {
    const auto call = [&go, &done] {
      go.wait();
      done.set();
    };
    EXPECT_THROW(weft::timeout(10ms, [&] { weft::shield(call); }), weft::TimeoutError);
    go.set();
    done.wait();
  });
}

TEST(Shield, ReportsTheFailureThatNobodyWaitedFor) {
  support::LostExceptionLog log;
  weft::run(weft::Options{.on_lost_exception = log.handler()}, [] {
    weft::Event go;
    const auto call = [&go] {
      go.wait();
      throw std::runtime_error("too late");
    };
    EXPECT_THROW(weft::timeout(10ms, [&] { weft::shield(call); }), weft::TimeoutError);
    go.set();
    while (weft::all_tasks().size() > 1) weft::sleep_for(1ms);
  });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(support::text_of(log.entries()[0].exception), "too late");
}

}  // namespace
