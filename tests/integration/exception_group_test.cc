// Goal: a tree of exceptions can be read, asked and taken apart, and loses none. Method: small
// trees whose leaves are told apart by their texts.

#include <gtest/gtest.h>
#include <weft/exception_group.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using weft::ExceptionGroup;
using Errors = std::vector<std::exception_ptr>;

template <class E>
std::exception_ptr made(E error) {
  return std::make_exception_ptr(std::move(error));
}

/// One range error and one logic error below, a runtime error and a group of one logic error above.
ExceptionGroup tree() {
  return ExceptionGroup(
      "outer",
      {made(std::runtime_error("a")),
       made(ExceptionGroup("inner", {made(std::range_error("b")), made(std::logic_error("c"))})),
       made(ExceptionGroup("other", {made(std::logic_error("d"))}))});
}

std::vector<std::string> texts(const std::optional<ExceptionGroup>& group) {
  std::vector<std::string> found;
  if (!group) return found;
  for (const std::exception_ptr& leaf : group->leaves()) {
    try {
      std::rethrow_exception(leaf);
    } catch (const std::exception& error) {
      found.emplace_back(error.what());
    }
  }
  return found;
}
using Texts = std::vector<std::string>;

TEST(ExceptionGroup, PrintsItsTree) {
  EXPECT_EQ(std::string(tree().what()),
            "weft::ExceptionGroup: outer (3 exceptions)\n"
            "|- std::runtime_error: a\n"
            "|- weft::ExceptionGroup: inner (2 exceptions)\n"
            "|  |- std::range_error: b\n"
            "|  `- std::logic_error: c\n"
            "`- weft::ExceptionGroup: other (1 exception)\n"
            "   `- std::logic_error: d");
}

TEST(ExceptionGroup, KeepsTheOrder) {
  EXPECT_EQ(tree().message(), "outer");
  EXPECT_EQ(tree().errors().size(), 3u);
  EXPECT_EQ(texts(tree()), (Texts{"a", "b", "c", "d"}));
}

TEST(ExceptionGroup, SplitsByTypeAndKeepsTheShape) {
  const auto [logic, rest] = tree().split<std::logic_error>();
  EXPECT_EQ(texts(logic), (Texts{"c", "d"}));
  EXPECT_EQ(texts(rest), (Texts{"a", "b"}));
  EXPECT_EQ(logic->errors().size(), 2u) << "a group for each of the inner ones";
  EXPECT_EQ(rest->errors().size(), 2u) << "the runtime error, and the group with the range error";
  const auto [derived, others] = tree().split<std::runtime_error>();
  EXPECT_EQ(texts(derived), (Texts{"a", "b"})) << "a range error is a runtime error";
  EXPECT_EQ(texts(others), (Texts{"c", "d"}));
}

TEST(ExceptionGroup, SplitsByCondition) {
  int asked = 0;
  const auto parts = tree().split_if([&](const std::exception_ptr&) {
    ++asked;
    return false;
  });
  EXPECT_FALSE(parts.matching);
  EXPECT_EQ(texts(parts.rest), texts(tree()));
  EXPECT_EQ(asked, 7) << "three groups and four leaves";
  const auto all = tree().split<ExceptionGroup>();
  EXPECT_EQ(texts(all.matching), texts(tree())) << "the group itself matches";
  EXPECT_FALSE(all.rest);
}

TEST(ExceptionGroup, TellsWhatItContains) {
  EXPECT_TRUE(tree().contains<std::range_error>());
  EXPECT_TRUE(tree().contains<std::exception>());
  EXPECT_FALSE(tree().contains<std::bad_alloc>());
  EXPECT_FALSE(tree().contains<int>());
}

TEST(ExceptionGroup, HoldsWhatIsNoStdException) {
  const ExceptionGroup group("odd", {made(7)});
  EXPECT_EQ(std::string(group.what()), "weft::ExceptionGroup: odd (1 exception)\n`- int");
  EXPECT_TRUE(group.contains<int>());
}

TEST(ExceptionGroup, RefusesToBeEmpty) {
  const auto make = [](Errors errors) { return ExceptionGroup("group", std::move(errors)); };
  EXPECT_THROW(make({}), std::invalid_argument);
  EXPECT_THROW(make({nullptr}), std::invalid_argument);
}

}  // namespace
