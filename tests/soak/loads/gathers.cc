// gather in all its forms: callables, tasks and ranges of both, with values, failures and
// cancellations, from inside and outside.

#include <array>
#include <atomic>
#include <utility>
#include <vector>

#include "soak/load.h"

namespace soak {

namespace {

/// A child that takes its time and gives `value`.
auto giving(Scene& scene, int value) {
  return counted(scene.ledger, [random = scene.random.split(), value]() mutable {
    if (random.one_in(2)) weft::yield();
    if (random.one_in(4)) weft::sleep_for(some_micros(random, 200));
    return value;
  });
}

using Child = decltype(giving(std::declval<Scene&>(), 0));

weft::Task<int> task_giving(Scene& scene, int value) {
  scene.ledger.in(Book::kOutcomes);
  return weft::spawn(giving(scene, value));
}

/// Ends by a value, a failure or a cancellation of its own.
weft::Task<int> task_that_may_fail(Scene& scene) {
  return start(scene.ledger, [&ledger = scene.ledger, random = scene.random.split()]() mutable {
    if (random.one_in(2)) weft::sleep_for(some_micros(random, 300));
    if (random.one_in(3)) fail(ledger);
    if (random.one_in(3)) throw weft::Cancelled();
    return 1;
  });
}

void callables(Scene& scene) {
  auto [a, b, c] = weft::gather(giving(scene, 1), giving(scene, 2), giving(scene, 3));
  scene.ledger.expect(a == 1 && b == 2 && c == 3, "gather of callables mixes up its results");
}

void tasks(Scene& scene) {
  auto first = task_giving(scene, 1);
  auto second = task_giving(scene, 2);
  auto [a, b] = weft::gather(first, second);
  scene.ledger.expect(a == 1 && b == 2, "gather of tasks mixes up its results");
  scene.ledger.out(Book::kOutcomes, 2);
}

void range_of_callables(Scene& scene) {
  std::vector<Child> children;
  const int count = scene.random.below(20);
  for (int i = 0; i < count; ++i) children.push_back(giving(scene, i));
  const std::vector<int> values = weft::gather(std::move(children));
  for (int i = 0; i < count; ++i) {
    scene.ledger.expect(values.at(static_cast<std::size_t>(i)) == i,
                        "gather of a range mixes up its results");
  }
}

void outcomes(Scene& scene) {
  std::vector<weft::Task<int>> children;
  for (int left = scene.random.below(20); left > 0; --left) {
    children.push_back(task_that_may_fail(scene));
  }
  for (const weft::Outcome<int>& outcome : weft::gather(weft::return_exceptions, children)) {
    try {
      scene.ledger.expect(outcome.value() == 1, "gather gives an outcome that nobody had");
    } catch (const Failure& failure) {
      failure.seen();
    } catch (const weft::Cancelled&) {
    }
    scene.ledger.out(Book::kOutcomes);
  }
}

/// The first failure leaves; the others go on, and are seen afterwards.
void first_failure(Scene& scene) {
  std::vector<weft::Task<int>> children;
  for (int i = 0; i < 8; ++i) children.push_back(task_that_may_fail(scene));
  bool threw = true;
  try {
    weft::gather(children);
    threw = false;
  } catch (const Failure&) {
  } catch (const weft::Cancelled&) {
  }
  bool any = false;
  for (auto& child : children) any |= see(scene.ledger, child) != End::kValue;
  scene.ledger.expect(threw == any, "gather throws if and only if a child has failed");
}

/// Cancelled from outside, it leaves when its children have ended.
void cancelled(Scene& scene) {
  Ledger& ledger = scene.ledger;
  auto caller = start(ledger, [&ledger] {
    std::atomic<int> alive{0};
    const auto child = [&ledger, &alive] {
      return counted(ledger, [&alive] {
        ++alive;
        support::sleep_until_cancelled();
        weft::yield();
        --alive;
      });
    };
    try {
      weft::gather(child(), child(), child());
    } catch (const weft::Cancelled&) {
      ledger.expect(alive == 0, "a cancelled gather has left its children behind");
      throw;
    }
  });
  if (scene.random.one_in(2)) weft::sleep_for(some_micros(scene.random, 500));
  caller.cancel();
  ledger.expect(see(ledger, caller) == End::kCancelled, "a cancelled gather ends otherwise");
}

constexpr std::array kForms = {&callables, &tasks,         &range_of_callables,
                               &outcomes,  &first_failure, &cancelled};

}  // namespace

void gathers(Scene& scene) {
  for (int turn = 0; turn < scaled(500); ++turn) {
    kForms[static_cast<std::size_t>(scene.random.below(static_cast<int>(kForms.size())))](scene);
  }
}

}  // namespace soak
