// Goal: a broken invariant ends the process with a message that says where and why, and one that
// holds costs nothing that shows. Method: death tests.

#include "base/assert.h"

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

TEST(AssertDeathTest, BrokenInvariantAbortsWithPlaceConditionAndReason) {
  const int answer = 41;
  EXPECT_EXIT(WEFT_ASSERT(answer == 42, "the answer is known"), testing::KilledBySignal(SIGABRT),
              "weft: broken invariant at .*assert_test\\.cc:[0-9]+: answer == 42 "
              "\\(the answer is known\\)");
}

TEST(AssertDeathTest, PointersAndOtherContextualBooleansMayBeAsserted) {
  int here = 0;
  int* const somewhere = &here;
  int* const nowhere = nullptr;
  WEFT_ASSERT(somewhere, "it points to a local");
  EXPECT_EXIT(WEFT_ASSERT(nowhere, "null on purpose"), testing::KilledBySignal(SIGABRT), "nowhere");
}

TEST(Assert, ConditionIsEvaluatedOnce) {
  int evaluated = 0;
  WEFT_ASSERT(++evaluated == 1, "it starts at zero");
  EXPECT_EQ(evaluated, 1);
}

TEST(Assert, IsAnExpressionThatFitsIntoAnUnbracedBranch) {
  bool other = false;
  if (other)
    WEFT_ASSERT(false, "not reached");
  else
    other = true;
  EXPECT_TRUE(other);
}

}  // namespace
}  // namespace weft::detail
