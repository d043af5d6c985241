// Goal: a future is set once, by whoever is first, and everybody who waits learns of it, fibers and
// threads alike. Method: each end used by a fiber, by a thread, and by both at once.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/live_count.h"
#include "support/lost_exception_log.h"
#include "support/task_steps.h"

namespace {

using namespace std::chrono_literals;
using support::throws_cancelled;

std::exception_ptr failure(const char* what) {
  return std::make_exception_ptr(std::runtime_error(what));
}

template <class F>
std::string future_error_of(F&& call) {
  try {
    call();
  } catch (const std::future_error& error) {
    if (error.code() == std::future_errc::broken_promise) return "broken promise";
    if (error.code() == std::future_errc::promise_already_satisfied) return "already satisfied";
    if (error.code() == std::future_errc::no_state) return "no state";
  }
  return "none";
}

TEST(Promise, GivesItsValueToAllWhoWait) {
  weft::run([] {
    weft::Promise<std::string> promise;
    const auto wait = [future = promise.future()]() mutable { return future.get(); };
    weft::Task<std::string> first = weft::spawn(wait), second = weft::spawn(wait);
    weft::yield();
    EXPECT_FALSE(promise.future().done());
    promise.set_value(std::string(99, 'v'));
    EXPECT_TRUE(promise.done());
    EXPECT_EQ(first.get(), std::string(99, 'v'));
    EXPECT_EQ(second.get(), std::string(99, 'v'));
    EXPECT_EQ(promise.future().get(), std::string(99, 'v')) << "and to who comes late";
  });
}

TEST(Promise, OfVoidAndOfMoveOnlyThings) {
  weft::run([] {
    weft::Promise<void> nothing;
    nothing.set_value();
    nothing.future().get();
    weft::Promise<std::unique_ptr<int>> unique;
    unique.set_value(std::make_unique<int>(3));
    EXPECT_EQ(*unique.future().get(), 3);
  });
}

TEST(Promise, GivesItsException) {
  weft::run([] {
    weft::Promise<int> promise;
    auto future = promise.future();
    promise.set_exception(failure("set"));
    EXPECT_THROW(future.get(), std::runtime_error);
    EXPECT_THROW(future.get(), std::runtime_error) << "each time";
    EXPECT_FALSE(future.cancelled());
    EXPECT_EQ(support::text_of(future.exception()), "set");
    EXPECT_THROW(promise.set_exception(nullptr), std::invalid_argument);
  });
}

TEST(Promise, IsSetOnce) {
  weft::Promise<int> promise;
  promise.set_value(1);
  EXPECT_EQ(future_error_of([&] { promise.set_value(2); }), "already satisfied");
  EXPECT_EQ(future_error_of([&] { promise.set_exception(failure("x")); }), "already satisfied");
  EXPECT_FALSE(promise.try_set_value(3));
  EXPECT_FALSE(promise.try_set_exception(failure("x")));
  EXPECT_FALSE(promise.cancel());
  EXPECT_EQ(promise.future().get(), 1);
}

TEST(Promise, ThatNobodyKeepsIsBroken) {
  weft::run([] {
    weft::Future<int> future;
    EXPECT_FALSE(future.valid());
    EXPECT_EQ(future_error_of([&] { future.get(); }), "no state");
    {
      weft::Promise<int> promise;
      future = promise.future();
      const weft::Promise<int> moved = std::move(promise);
      // NOLINTNEXTLINE(bugprone-use-after-move): that is what is asked
      EXPECT_EQ(future_error_of([&] { promise.future(); }), "no state");
      EXPECT_FALSE(future.done());
    }
    EXPECT_EQ(future_error_of([&] { future.get(); }), "broken promise");
    weft::Promise<int> replaced;
    future = replaced.future();
    replaced = weft::Promise<int>();
    EXPECT_EQ(future_error_of([&] { future.get(); }), "broken promise");
  });
}

TEST(Promise, LearnsThatNobodyWantsItsValue) {
  weft::run([] {
    weft::Promise<int> promise;
    auto future = promise.future();
    weft::Event waiting;
    const weft::Task<void> waiter = weft::spawn([&, future]() mutable {
      waiting.set();
      future.get();
    });
    waiting.wait();
    weft::yield();
    waiter.cancel();
    waiter.join();
    EXPECT_TRUE(waiter.cancelled());
    // It may have been asked before it waited.
    if (!future.done()) future.cancel();
    EXPECT_TRUE(promise.cancelled());
    EXPECT_FALSE(promise.try_set_value(1));
    EXPECT_TRUE(throws_cancelled([&] { future.get(); }));
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

TEST(Promise, JoinIsCancelledAlone) {
  weft::run([] {
    weft::Promise<int> promise;
    auto future = promise.future();
    weft::Event waiting;
    const weft::Task<void> waiter = weft::spawn([&, future] {
      waiting.set();
      future.join();
    });
    waiting.wait();
    waiter.cancel();
    waiter.join();
    EXPECT_TRUE(waiter.cancelled());
    EXPECT_FALSE(future.done());
    promise.set_value(4);
    future.join();
    EXPECT_EQ(future.get(), 4);
  });
}

TEST(Promise, ConnectsFibersAndThreads) {
  weft::Runtime runtime;
  for (int i = 0; i < 200; ++i) {
    weft::Promise<int> ask, answer;
    std::jthread thread(
        [question = ask.future(), &answer]() mutable { answer.set_value(question.get() + 1); });
    const int got = runtime.run([&ask, reply = answer.future(), i]() mutable {
      ask.set_value(i);
      return reply.get();
    });
    EXPECT_EQ(got, i + 1);
  }
}

TEST(Promise, IsSetByOneOfManyThreads) {
  weft::Promise<int> promise;
  std::atomic<int> winners{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, future = promise.future(), i] {
        if (i % 2 == 0 ? future.cancel() : promise.try_set_value(i)) ++winners;
      });
    }
  }
  EXPECT_EQ(winners, 1);
  EXPECT_TRUE(promise.done());
}

TEST(Promise, DestroysItsValueWithTheLastHandle) {
  support::LiveCount live;
  auto promise = std::make_unique<weft::Promise<support::LiveCount::Token>>();
  auto future = promise->future();
  promise->set_value(live.token());
  promise.reset();
  EXPECT_EQ(live.alive(), 1);
  { const support::LiveCount::Token taken = std::move(future).get(); }
  EXPECT_EQ(live.alive(), 0);
}

TEST(Promise, ReportsAnExceptionThatNobodyRead) {
  support::LostExceptionLog log;
  weft::run(weft::Options{.on_lost_exception = log.handler()}, [] {
    weft::Promise<int> unread, read, broken;
    unread.set_exception(failure("unread"));
    read.set_exception(failure("read"));
    EXPECT_EQ(support::text_of(read.future().exception()), "read");
  });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log.entries()[0].task_name, "future");
  EXPECT_EQ(support::text_of(log.entries()[0].exception), "unread");
  EXPECT_NE(std::string(log.entries()[0].site.file).find("promise_test"), std::string::npos);
}

}  // namespace
