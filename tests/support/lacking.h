#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace support {

/// For a SetUp() that finds something missing which `./dev test` installs: the test is skipped, in
/// CI it has failed.
inline void lacking(const std::string& what) {
  const char* const ci = std::getenv("CI");
  if (ci != nullptr && std::string(ci) == "true") {
    FAIL() << what << ", and in CI it must be";
  }
  GTEST_SKIP() << what << "; `./dev test` installs it on Debian";
}

}  // namespace support
