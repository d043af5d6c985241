// Goal: a thread has a roomy signal stack while the object lives, and afterwards the one it had
// before. Method: the kernel is asked what is installed (sigaltstack).

#include "fiber/signal_stack.h"

#include <gtest/gtest.h>

namespace weft::detail {
namespace {

TEST(AlternateSignalStack, RestoresWhatWasThere) {
  stack_t before{};
  stack_t during{};
  stack_t after{};
  ::sigaltstack(nullptr, &before);
  {
    const AlternateSignalStack outer;
    ASSERT_FALSE(outer.error());
    ::sigaltstack(nullptr, &during);
    EXPECT_TRUE(outer.contains(during.ss_sp));
    EXPECT_GE(during.ss_size, std::size_t{64} << 10);
    {
      const AlternateSignalStack inner;
      stack_t innermost{};
      ::sigaltstack(nullptr, &innermost);
      EXPECT_TRUE(inner.contains(innermost.ss_sp));
    }
    ::sigaltstack(nullptr, &after);
    EXPECT_EQ(after.ss_sp, during.ss_sp);
  }
  ::sigaltstack(nullptr, &after);
  EXPECT_EQ(after.ss_flags, before.ss_flags);
  if ((before.ss_flags & SS_DISABLE) == 0) {
    EXPECT_EQ(after.ss_sp, before.ss_sp);
  }
}

TEST(AlternateSignalStack, LeavesAnotherThatWasSetSince) {
  stack_t before{};
  ::sigaltstack(nullptr, &before);
  alignas(16) static char memory[std::size_t{64} << 10];
  stack_t programs{};
  programs.ss_sp = memory;
  programs.ss_size = sizeof memory;
  {
    const AlternateSignalStack ours;
    ASSERT_EQ(::sigaltstack(&programs, nullptr), 0);
  }
  stack_t after{};
  ::sigaltstack(nullptr, &after);
  EXPECT_EQ(after.ss_sp, static_cast<void*>(memory));
  ::sigaltstack(&before, nullptr);
}

TEST(AlternateSignalStackDeathTest, HasAGuardBelow) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const AlternateSignalStack ours;
  stack_t current{};
  ::sigaltstack(nullptr, &current);
  EXPECT_FALSE(ours.contains(static_cast<char*>(current.ss_sp) - 1));
  EXPECT_DEATH(*(static_cast<volatile char*>(current.ss_sp) - 1) = 1, "");
}

}  // namespace
}  // namespace weft::detail
