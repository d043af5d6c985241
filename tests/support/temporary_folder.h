#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

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
  /// The path of a file in it, which then holds `text`.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(*this / name, std::ios::binary) << text;
    return *this / name;
  }
  /// Of what is in it.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      all.push_back(entry.path().filename());
    }
    return all;
  }

 private:
  std::string path_ = "/tmp/weft_test_XXXXXX";  // mkdtemp() makes a name of it
};

}  // namespace support
