// Goal: gather runs its arguments side by side and gives their results in the order in which they
// were written, whatever they are: callables or tasks, one by one or a range of them. Method:
// children that could not all end if they ran one after the other, and ends in reverse order.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <array>
#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "support/build_kind.h"
#include "support/counter.h"
#include "support/task_steps.h"

namespace {

using support::Arrivals;
using support::Counter;

// ---- What comes back.

TEST(Gather, OfNothingIsNothing) {
  weft::run([] {
    static_assert(std::is_same_v<decltype(weft::gather()), std::tuple<>>);
    EXPECT_EQ(weft::gather(), std::tuple<>());
    EXPECT_EQ(weft::gather(weft::return_exceptions), std::tuple<>());
    const std::vector<weft::Task<int>> no_tasks;
    EXPECT_TRUE(weft::gather(no_tasks).empty());
    EXPECT_TRUE(weft::gather(weft::return_exceptions, no_tasks).empty());
    EXPECT_TRUE(weft::gather(std::vector<std::function<std::string()>>()).empty());
  });
}

TEST(Gather, GivesATupleInTheOrderOfArguments) {
  weft::run([] {
    // They end in the opposite order.
    weft::Event second_done, third_done;
    auto [number, text, real] = weft::gather(
        [&] {
          second_done.wait();
          return 1;
        },
        [&] {
          third_done.wait();
          second_done.set();
          return std::string("two");
        },
        [&] {
          third_done.set();
          return 3.0;
        });
    static_assert(std::is_same_v<decltype(number), int>);
    EXPECT_EQ(number, 1);
    EXPECT_EQ(text, "two");
    EXPECT_EQ(real, 3.0);
  });
}

TEST(Gather, GivesMonostateForVoid) {
  weft::run([] {
    static_assert(std::is_same_v<decltype(weft::gather([] {}, [] { return 'c'; })),
                                 std::tuple<std::monostate, char>>);
    EXPECT_EQ(weft::gather([] {}, [] { return 'c'; }), std::make_tuple(std::monostate(), 'c'));
    const std::array<void (*)(), 3> nothings{[] {}, [] {}, [] {}};
    EXPECT_EQ(weft::gather(nothings), std::vector<std::monostate>(3));
  });
}

TEST(Gather, GivesAVectorInTheOrderOfTheRange) {
  weft::run([] {
    std::vector<std::function<int()>> callables;
    std::vector<std::unique_ptr<weft::Event>> done;
    for (int i = 0; i < 50; ++i) done.push_back(std::make_unique<weft::Event>());
    for (std::size_t i = 0; i < 50; ++i) {
      callables.push_back([&done, i] {
        if (i + 1 < done.size()) done[i + 1]->wait();
        done[i]->set();
        return static_cast<int>(i);
      });
    }
    const std::vector<int> results = weft::gather(callables);
    ASSERT_EQ(results.size(), 50u);
    for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(results[i], static_cast<int>(i));
  });
}

static_assert(!std::forward_iterator<Counter::Iterator>);

TEST(Gather, MovesMoveOnlyResults) {
  weft::run([] {
    const auto make = [](int number) { return [number] { return std::make_unique<int>(number); }; };
    auto [a, b] = weft::gather(make(1), weft::spawn(make(2)));
    EXPECT_EQ(*a + *b, 3);
    std::vector<decltype(make(0))> callables{make(3), make(4)};
    const auto results = weft::gather(callables);
    EXPECT_EQ(*results[0] + *results[1], 7);
  });
}

TEST(Gather, ResultsNeedNoDefault) {
  struct Made {
    explicit Made(int n) : number(n) {}
    int number;
  };
  weft::run([] {
    auto [made] = weft::gather([] { return Made(5); });
    EXPECT_EQ(made.number, 5);
    const std::vector<Made> many = weft::gather(std::vector{[] { return Made(6); }});
    EXPECT_EQ(many.at(0).number, 6);
  });
}

// ---- How they run.

TEST(Gather, RunsAllAtOnce) {
  weft::run([] {
    Arrivals all(100);
    std::vector<std::function<void()>> meet(100, [&all] {
      all.arrive();
      all.wait();
    });
    EXPECT_EQ(weft::gather(meet).size(), 100u);
  });
}

TEST(Gather, StartsItsChildrenInOrder) {
  for (const bool fifo : {false, true}) {
    std::string order;
    weft::run(weft::Options{.workers = 1, .fifo = fifo}, [&] {
      const auto note = [&order](char name) { return [&order, name] { order += name; }; };
      weft::gather(note('a'), note('b'), note('c'), note('d'));
      std::vector<decltype(note('x'))> more;
      for (char name = 'e'; name <= 'z'; ++name) more.push_back(note(name));
      weft::gather(more);
    });
    EXPECT_EQ(order, "abcdefghijklmnopqrstuvwxyz");
  }
}

int fibonacci(int n) {
  if (n < 2) return n;
  auto [a, b] = weft::gather([n] { return fibonacci(n - 1); }, [n] { return fibonacci(n - 2); });
  return a + b;
}

TEST(Gather, Nests) {
  EXPECT_EQ(weft::run([] { return fibonacci(12); }), 144);
}

TEST(Gather, TakesVeryMany) {
  constexpr long kCount = support::scaled(50'000);
  const long sum = weft::run([] {
    long total = 0;
    for (const long result : weft::gather(Counter(kCount))) total += result;
    return total;
  });
  EXPECT_EQ(sum, kCount * (kCount - 1) / 2);
}

TEST(Gather, ShowsTheCallerWhatChildrenDid) {
  weft::run([] {
    for (int round = 0; round < support::scaled(2'000); ++round) {
      int a = 0, b = 0, c = 0;
      weft::gather([&] { a = round; }, [&] { b = round; }, [&] { c = round; });
      ASSERT_EQ(a + b + c, 3 * round);
    }
  });
}

// ---- With return_exceptions.

TEST(GatherOutcomes, HoldValueOrException) {
  weft::run([] {
    auto [value, nothing, failed, cancelled] = weft::gather(
        weft::return_exceptions, [] { return std::string("v"); }, [] {},
        []() -> int { throw std::runtime_error("x"); }, [] { throw weft::Cancelled(); });
    static_assert(std::is_same_v<decltype(value), weft::Outcome<std::string>>);
    EXPECT_TRUE(value.has_value());
    EXPECT_EQ(value.value(), "v");
    EXPECT_EQ(value.error(), nullptr);
    EXPECT_EQ(nothing.value(), std::monostate());
    EXPECT_FALSE(failed);
    EXPECT_THROW(failed.value(), std::runtime_error);
    EXPECT_THROW(std::rethrow_exception(failed.error()), std::runtime_error);
    EXPECT_THROW(cancelled.value(), weft::Cancelled);
  });
}

TEST(GatherOutcomes, OfARangeKeepTheOrder) {
  weft::run([] {
    std::vector<std::function<int()>> callables;
    for (int i = 0; i < 40; ++i) {
      callables.push_back([i] {
        for (int turn = 0; turn < (i * 7) % 5; ++turn) weft::yield();
        if (i % 3 == 0) throw i;
        return i;
      });
    }
    const auto outcomes = weft::gather(weft::return_exceptions, callables);
    ASSERT_EQ(outcomes.size(), 40u);
    for (int i = 0; i < 40; ++i) {
      const weft::Outcome<int>& outcome = outcomes[static_cast<std::size_t>(i)];
      ASSERT_EQ(outcome.has_value(), i % 3 != 0);
      if (outcome) {
        EXPECT_EQ(outcome.value(), i);
      } else {
        EXPECT_THROW(outcome.value(), int);
      }
    }
  });
}

TEST(GatherOutcomes, ComeOnlyWhenAllHaveEnded) {
  weft::run([] {
    weft::Event failed;
    bool last_ended = false;
    weft::gather(
        weft::return_exceptions,
        [&] {
          failed.set();
          throw 1;
        },
        [&] {
          failed.wait();
          for (int i = 0; i < 20; ++i) weft::yield();
          last_ended = true;
        });
    EXPECT_TRUE(last_ended);
  });
}

TEST(GatherOutcomes, OfATaskThatWasCancelledAreNotTheCallersCancellation) {
  weft::run([] {
    weft::Task<void> task = weft::spawn(support::sleep_forever);
    auto [of_task, of_other] =
        weft::gather(weft::return_exceptions, task, [task] { return task.cancel(); });
    EXPECT_THROW(of_task.value(), weft::Cancelled);
    EXPECT_TRUE(of_other.value());
    EXPECT_EQ(weft::this_task::cancelling(), 0u);
  });
}

}  // namespace
