#pragma once

// What every model's test does: explore it, say how much was seen, fail with the table of steps.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "explorer/atomic.h"
#include "explorer/explorer.h"

namespace support {

template <class M, class... Arguments>
void expect_proven(const model::Plan& plan, Arguments... arguments) {
  const model::Result result =
      model::explore(plan, [=] { return std::make_unique<M>(arguments...); });
  const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
  std::printf(
      "== %s.%s: %ld interleavings, %ld steps, at most %d preemptions, %d delays, %d "
      "surprises%s; %ld random runs\n",
      test.test_suite_name(), test.name(), result.runs, result.steps, plan.preemptions, plan.delays,
      plan.surprises, result.complete ? ": all there are" : "", result.random_runs);
  EXPECT_FALSE(result.failed) << result.report;
  EXPECT_TRUE(result.complete || result.failed) << "the bounds allow more than was run";
}

}  // namespace support
