// Goal: the name of a driver gets that driver, and a name that is none gets an answer one can act
// upon.

#include "reactor/driver_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::detail {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(std::string_view name) {
  try {
    make_driver(name, 1);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no std::invalid_argument";
}

TEST(MakeDriver, MakesEpollWhereverThatWillDo) {
  for (const char* name : {"", "auto", "epoll"}) {
    EXPECT_STREQ(make_driver(name, 1)->name(), "epoll") << name;
  }
}

TEST(MakeDriver, RefusesWithWhatWasGivenAndWhatIsAllowed) {
  for (const char* name : {"kqueue", "uring", "EPOLL"}) {
    EXPECT_THAT(refusal(name), AllOf(HasSubstr("WEFT_DRIVER"), HasSubstr(name), HasSubstr("'auto'"),
                                     HasSubstr("'epoll'")));
  }
}

}  // namespace
}  // namespace weft::detail
