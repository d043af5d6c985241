// Goal: the name of a driver gets that driver, and a name that is none gets an answer one can act
// upon.

#include "reactor/driver_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <stdexcept>
#include <system_error>

#include "support/valgrind.h"

#if defined(WEFT_HAVE_URING)
#include "reactor/uring_ring.h"
#endif

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

#if defined(WEFT_HAVE_URING)
bool kernel_grants_rings() {
  try {
    const Ring ring(Ring::Kind::kWatched, 1);
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}
#endif

TEST(MakeDriver, MakesWhatIsNamed) {
  EXPECT_STREQ(make_driver("epoll", 1)->name(), "epoll");
#if defined(WEFT_HAVE_URING)
  const bool granted = kernel_grants_rings();
  for (const char* name : {"mixed", "uring"}) {
    if (granted) {
      EXPECT_STREQ(make_driver(name, 1)->name(), name);
    } else {
      EXPECT_THROW(make_driver(name, 1), std::system_error) << name;
    }
  }
#endif
}

#if defined(WEFT_HAVE_URING)
TEST(MakeDriver, TakesTheBestThereIs) {
  const char* const best = kernel_grants_rings() && !support::on_valgrind() ? "mixed" : "epoll";
  for (const char* name : {"", "auto"}) EXPECT_STREQ(make_driver(name, 1)->name(), best) << name;
}

// As where a filter refuses rings: here it is that there are no descriptors left for so many.
TEST(MakeDriver, FallsBackToEpollAndSaysSo) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{64, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  testing::internal::CaptureStderr();
  const std::string silently = make_driver("auto", 200)->name();
  const std::string nothing = testing::internal::GetCapturedStderr();
  testing::internal::CaptureStderr();
  const std::string loudly = make_driver("auto", 200, true)->name();
  const std::string line = testing::internal::GetCapturedStderr();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(silently, "epoll");
  EXPECT_EQ(nothing, "");
  EXPECT_EQ(loudly, "epoll");
  EXPECT_THAT(line, AllOf(HasSubstr("no io_uring"), HasSubstr("epoll")));
}
#endif

TEST(MakeDriver, RefusesWithWhatWasGivenAndWhatIsAllowed) {
  for (const char* name : {"kqueue", "io_uring", "EPOLL"}) {
    EXPECT_THAT(refusal(name),
                AllOf(HasSubstr("WEFT_DRIVER"), HasSubstr(name), HasSubstr("'auto'"),
                      HasSubstr("'epoll'"), HasSubstr("'mixed'"), HasSubstr("'uring'")));
  }
}

}  // namespace
}  // namespace weft::detail
