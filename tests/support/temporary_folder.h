#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace support {

/// A folder of the test's own, which goes with it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    // Not gtest's: a Unix socket's path is short.
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  ~TemporaryFolder() {
    std::error_code ignored;  // a test that leaves more than it can remove has failed by then
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + '/' + name; }

 private:
  std::string path_ = "/tmp/weft_test_XXXXXX";
};

}  // namespace support
